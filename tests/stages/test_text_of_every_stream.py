"""Streams whose text columns have different names share their labeling functions: `text` is the text of each."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest
from projects import run_stages, write_params

from beambell import Project
from beambell.config import StreamParams
from beambell.labeling import evaluate
from beambell.store import Partition, Selection
from beambell.workshop.lf_trial import try_lf

LFS = """
import pyarrow.compute as pc

from beambell.labeling import (
    aggregates, batch_labeling_function, keyword, labeling_function, length, lookup, regex, stateful_labeling_function,
    text_hash,
)

begs = keyword("begs", any_of=["free", "click"], label=1)
link = regex("link", pattern="https?://", field="text", label=1)
brief = length("brief", max=12, label=0)
known = lookup("known", field="text", values=["good morning"], label=0)
both = (begs & ~brief).named("both", label=1)
own = keyword("own", field="body", any_of=["free"], label=1, streams=("mails",))


@labeling_function(label=1)
def asks(row):
    return row.text.endswith("?") and row["text"] == row.text


@labeling_function(fields=("body", "text"), label=0, streams=("mails",))
def same(row):
    return row.body is row.text or row.body == row.text


@batch_labeling_function(fields=("text",), label=1)
def shouts(table):
    return pc.utf8_is_upper(table["text"])


@batch_labeling_function(form="pandas", label=0)
def calm(table):
    return ~table["text"].str.contains("!")


@stateful_labeling_function(key=text_hash("text"), aggregate=aggregates.count(), label=1)
def said_before(row, past):
    return bool(past) and len(row.text) > 3
"""
SAID = ["free gifts, click here", "good morning", "SEE HTTP://X", "see https://x", "why?", "ok!", "free", ""]
STREAMS = {"mails": "body", "chats": "message", "posts": "text"}
DAYS = ("2026-01-03", "2026-01-04")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("texts")
    streams = {
        name: {"inputs": [f"raw/{name}/{{dt}}.jsonl"], "id": "key", "text": column, "time": "at"}
        for name, column in STREAMS.items()
    }
    (made / "mine.py").write_text(LFS)
    write_params(
        made,
        {"project": "texts", "classes": ["ham", "spam"], "streams": streams, "lfs": {"modules": ["mine"]}},
    )
    for name, column in STREAMS.items():
        for day in DAYS:
            path = made / "raw" / name / f"{day}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            rows = [{"key": f"{n:02}", column: text, "at": day} for n, text in enumerate(SAID)]
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run_stages(made, "ingest", "aggregate", "apply")
    return made


def test_streams_of_the_same_texts_have_the_same_votes(folder):
    project = Project(folder)
    shared = [lf.name for lf in project.catalogue.lfs if lf.streams is None]
    assert len(shared) == len(project.catalogue.lfs) - 2
    for day in DAYS:
        mails, chats, posts = (project.votes(stream, day)[shared].to_numpy() for stream in STREAMS)
        assert (mails == posts).all()
        assert (chats == posts).all()
        assert {"begs", "link", "known", "both", "asks", "shouts", "calm"} <= {
            name for name, votes in zip(shared, posts.T, strict=True) if (votes != -1).any()
        }
    counted = project.votes("chats", DAYS[1])["said_before"].tolist()
    assert counted[:6] == [1, 1, 1, 1, 1, -1]  # the same was said on the day before, in all three streams
    assert (project.votes("mails", DAYS[0])["same"] == 0).all()


@pytest.mark.parametrize("stream", STREAMS)
def test_the_job_votes_as_the_plain_evaluation(folder, stream):
    project = Project(folder)
    lfs = [lf for lf in project.catalogue.lfs if lf.name != "said_before"]
    rows = project.rows(stream, DAYS[0], "arrow")
    expected = evaluate(lfs, rows, cardinality=2, stream=stream).votes
    assert (project.votes(stream, DAYS[0])[[lf.name for lf in lfs]].to_numpy() == expected).all()


@pytest.mark.parametrize("name", ["begs", "asks", "said_before"])
def test_a_trial_sees_what_the_job_sees(folder, name):
    project = Project(folder)
    trial = try_lf(project, name, Selection(), 1000)
    voted = sum(int((project.votes(p.stream, p.dt)[name] != -1).sum()) for p in project.store.partitions("votes"))
    assert sum(trial.votes.values()) == voted


def test_the_text_is_stored_once(folder):
    project = Project(folder)
    manifest = project.store.partitions("partitions")[Partition("mails", DAYS[0])]
    assert manifest.files["rows"].rows == len(SAID)
    stored = pq.read_schema(folder / "data/partitions/stream=mails/dt=2026-01-03" / manifest.files["rows"].name)
    assert "text" not in stored.names
    assert {"body", "text"} <= set(project.rows("mails", DAYS[0]).columns)


def test_a_field_cannot_take_the_name_of_every_text():
    with pytest.raises(ValueError, match="every stream's text"):
        StreamParams(inputs=("x",), text="body", fields={"text": "string"})
