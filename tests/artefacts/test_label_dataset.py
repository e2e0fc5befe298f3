"""Published labels of many partitions as one lazy table, on a disk and on an object store."""

from __future__ import annotations

import shutil

import duckdb
import pandas as pd
import pytest
from projects import change_params

from beambell import Project
from beambell.errors import ArtefactError, UsageError


def joined(project: Project) -> pd.DataFrame:
    """Read each partition by itself."""
    found = [
        project.labels(p.stream, p.dt).assign(stream=p.stream, dt=p.dt) for p in project.store.partitions("published")
    ]
    return pd.concat(found, ignore_index=True)


def same(left: pd.DataFrame, right: pd.DataFrame) -> None:
    columns = sorted(right.columns)
    sorted_ = [frame[columns].sort_values(["stream", "dt", "id"], ignore_index=True) for frame in (left, right)]
    pd.testing.assert_frame_equal(*sorted_, check_dtype=False)


def test_all_labels_are_those_of_each_partition(finished):
    same(finished.labels().to_pandas(), joined(finished))


@pytest.mark.parametrize("stream", [None, "comments"])
def test_a_range_is_of_its_partitions(finished, stream):
    labels = finished.labels(stream, from_="2026-01-02", to="2026-01-02")
    everything = joined(finished)
    expected = everything[
        (everything["dt"] == "2026-01-02") & everything["stream"].isin([stream or "comments", stream or "messages"])
    ]
    same(labels.to_pandas(), expected)
    assert labels.count_rows() == len(expected)


def test_other_tools_take_it(finished):
    labels = finished.labels()  # noqa: F841 - DuckDB finds it by its name
    counted = duckdb.sql("select stream, count(*) n from labels group by 1 order by 1").fetchall()
    assert counted == sorted(joined(finished).groupby("stream").size().items())


def test_a_filter_opens_no_file_of_another_partition(finished, tmp_path):
    folder = shutil.copytree(finished.path, tmp_path / "p")
    for path in (folder / "data/published").glob("stream=*/dt=2026-01-01/labels-*"):
        path.unlink()
    import pyarrow.compute as pc

    labels = Project(folder).labels()
    day = labels.to_table(filter=pc.field("dt") == "2026-01-02")
    assert day.num_rows == sum(
        m.files["labels"].rows for p, m in finished.store.partitions("published").items() if p.dt == "2026-01-02"
    )


def test_nothing_published_is_an_empty_table(finished):
    empty = finished.labels(from_="2027-01-01")
    assert (empty.count_rows(), empty.to_pandas().columns.tolist()[:3]) == (0, ["stream", "dt", "id"])


def test_what_cannot_be_meant_is_refused(finished):
    with pytest.raises(UsageError, match="no stream"):
        finished.labels("odd")
    with pytest.raises(UsageError, match="one partition"):
        finished.labels("comments", "2026-01-01", from_="2026-01-01")
    with pytest.raises(UsageError, match="not a partition's date"):
        finished.labels(from_="yesterday")


def test_labels_of_other_classes_are_not_mixed_in(finished, tmp_path):
    folder = shutil.copytree(finished.path, tmp_path / "p")
    change_params(folder, classes=["ham", "spam", "odd"])
    with pytest.raises(ArtefactError, match="other classes"):
        Project(folder).labels()


def test_on_an_object_store(finished, s3, tmp_path):
    folder = shutil.copytree(finished.path, tmp_path / "p", ignore=shutil.ignore_patterns("data"))
    s3.put(str(finished.path / "data/published"), "bucket/labels/published", recursive=True)
    change_params(folder, data="s3://bucket/labels")
    same(Project(folder).labels().to_pandas(), joined(finished))
