"""A project made from a file of records: what was found there, in the words of a project's files."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from beambell.config.classes import check_distinct
from beambell.errors import UsageError
from beambell.workshop.starter.first_lfs import Words, common_word, looked_at, suggest
from beambell.workshop.starter.profile import Chosen, look

_MANY_DAYS = 62
"""Days from which on partitions are months: each has a price, however few rows it has."""
GOLD = "data/gold/labels.csv"


class Made:
    """The files of a project that is made from a file of records.

    Parameters
    ----------
    source
        File of records.
    name
        Name of the project.
    chosen
        Columns that a person names.
    classes
        Names of the classes, where no column tells them.
    stream
        Name of the stream; ``None`` for that of the file.

    Attributes
    ----------
    profile
        Findings about the file.
    files
        Texts of the project's files by path.
    raw
        Path of the copy of the file, relative to the project.
    said
        Sentences about what was found, for people.

    Raises
    ------
    UsageError
        If there is no such file.
    """

    def __init__(
        self, source: Path, name: str, chosen: Chosen, classes: Sequence[str] = (), stream: str | None = None
    ) -> None:
        if not source.is_file():
            raise UsageError("there is no such file", where=str(source), fix="name a CSV, JSON lines or Parquet file")
        self.profile = profile = look(source, chosen)
        self.stream = stream or _stream_name(source)
        self.classes = tuple(dict.fromkeys(profile.classes.values())) or tuple(classes) or ("other", "wanted")
        _check_classes(self.classes)
        delivered = profile.days[-1] if profile.days and profile.whole else datetime.now(UTC).strftime("%Y-%m-%d")
        self.raw = f"data/raw/{self.stream}/{delivered}{_suffixes(source)}"
        seen = looked_at(profile.texts)
        known = [label if look_ else None for label, look_ in zip(profile.labels, seen, strict=True)]
        self.words = suggest(profile.texts, known, self.classes)
        self._gold = [
            (n, c) for n, c, look_ in zip(profile.lines, profile.labels, seen, strict=True) if c and not look_
        ]
        self.module = self.stream.replace("-", "_")
        if self.module[0].isdigit():
            self.module = f"rows_{self.module}"
        self.files = {
            "params.yaml": self._params(name),
            "labeling_functions/__init__.py": '"""Labeling functions of this project."""\n',
            f"labeling_functions/{self.module}.py": self._lfs(),
            **({GOLD: self._gold_file()} if self._gold else {}),
        }
        self.said = tuple(self._sentences())

    def _params(self, name: str) -> str:
        found, lines = self.profile, []
        grain = "month" if len(found.days) > _MANY_DAYS else "day"
        lines += ["# What this project is. docs/operating.md of BeamBell describes it; an unknown key is an error."]
        lines += [f"project: {_quoted(name)}", "data: data # everything that is made goes there", ""]
        lines += [
            f"classes: [{', '.join(map(_quoted, self.classes))}] # what a labeling function may vote for: 0, 1, ..."
        ]
        lines += ["", "streams:", f"  {self.stream}:"]
        lines += [
            f'    inputs: ["data/raw/{self.stream}/{{dt}}.*"] # {{dt}} is the day of delivery; put new files there'
        ]
        lines += [f"    grain: {grain} # of partitions, by the time of the row"]
        if found.id:
            lines += [f"    id: {_quoted(found.id)}"]
        lines += [f"    text: {_quoted(found.text)}"]
        if found.time:
            lines += [f"    time: {_quoted(found.time)}"]
        lines += ["    undated: delivery # rows without a time belong to the day of their file"]
        if found.encoding != "utf-8":
            lines += [f"    encoding: {found.encoding}"]
        if found.fields:
            lines += ["    fields: # further columns that labeling functions may read"]
            lines += [f"      {_quoted(field)}: {type_}" for field, type_ in found.fields.items()]
        lines += ["", "lfs:", f"  modules: [labeling_functions.{self.module}]"]
        lines += ["", "label_model:", "  kind: dawid_skene # or: weighted, majority, snorkel", "  options: {}"]
        lines += ["", "gate: # labels of a partition are published if they are within these", "  min_coverage: 0.05"]
        lines += ["", "model: # the classifier that is trained on the labels", f"  name: {self.stream}"]
        if self._gold:
            lines += ["", "evaluation:", f'  gold: ["{GOLD}"] # labels that nothing but the evaluation sees']
        return "\n".join(lines) + "\n"

    def _lfs(self) -> str:
        constants = _constants(self.classes)
        lines = [
            f'"""What we know of {self.stream}: each votes for a class, or has nothing to say."""',
            "",
        ]
        lines += ["from beambell.labeling import keyword", "", "# The classes, as `params.yaml` lists them."]
        lines += [f"{', '.join(constants)} = {', '.join(map(str, range(len(constants))))}"]
        for words in self.words or self._placeholder():
            why = (
                f"Words that lean to {self.classes[words.label]}: right in {words.right} of {words.rows} labelled rows."
            )
            listed = ", ".join(map(_python, words.words))
            lines += ["", f"{words.name} = keyword(", f"    {_python(words.name)},", f"    any_of=[{listed}],"]
            lines += [f"    label={constants[words.label]},"]
            lines += [f"    description={_python(why if words.rows else 'Say why.')},", ")"]
        return "\n".join(lines) + "\n"

    def _placeholder(self) -> list[Words]:
        """A labeling function to begin with, where no label says what leans to what."""
        word = common_word(self.profile.texts) or "a word"
        return [Words("to_begin_with", len(self.classes) - 1, (word,), 0, 0)]

    def _gold_file(self) -> str:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["file", "line", "label"])
        writer.writerows([self.raw, line, label] for line, label in self._gold)
        return out.getvalue()

    def _sentences(self) -> list[str]:
        found = self.profile
        said = [f"{found.rows:,} rows; the text is {found.text!r}"]
        said[0] += f", the id {found.id!r}" if found.id else ", and each row gets the hash of its content for an id"
        said[0] += f", the time {found.time!r}" if found.time else ", and no column is a time: rows belong to today"
        named = ", ".join(self.classes)
        if found.label:
            said.append(
                f"the label is {found.label!r}: {named}. Half of it suggested the labeling functions; "
                f"the other half ({len(self._gold):,} rows) is gold, which only the evaluation sees"
            )
        else:
            said.append(f"no column is a label: the classes are {named}; change them in params.yaml")
        if found.fields:
            said.append(f"fields: {', '.join(f'{name} ({type_})' for name, type_ in found.fields.items())}")
        if found.left_out:
            said.append(f"left out: {', '.join(found.left_out)}")
        if found.broken:
            said.append(f"{found.broken:,} records cannot be read; `beambell quarantine` will say why")
        lacking = set(range(len(self.classes))) - {words.label for words in self.words or self._placeholder()}
        if lacking:
            names = ", ".join(self.classes[k] for k in sorted(lacking))
            said.append(f"no labeling function votes for {names} yet: `beambell lf new NAME --kind keyword` adds one")
        if not found.whole:
            said.append(f"only the first {found.rows:,} rows were looked at; all of them are in the project")
        return said


def _check_classes(classes: tuple[str, ...]) -> None:
    if len(classes) < 2:
        raise UsageError("there is only one class", where="--label or --classes", fix="name two at least")
    try:
        check_distinct(classes)
    except ValueError as error:
        raise UsageError(str(error), where="--label or --classes", fix="name other classes") from None


def _stream_name(source: Path) -> str:
    stem = source.name.split(".")[0]
    return re.sub(r"[^a-z0-9_-]+", "-", stem.lower()).strip("-_")[:40] or "rows"


def _suffixes(source: Path) -> str:
    """Ending of the name: the format, and whether it is packed."""
    packed = ".gz" if source.suffix.lower() == ".gz" else ""
    return Path(source.name.removesuffix(source.suffix) if packed else source.name).suffix.lower() + packed


def _quoted(text: str) -> str:
    """Spell a text in YAML; plain words stay as they are."""
    is_plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", text) and text.lower() not in _WORDS_OF_YAML
    return text if is_plain else json.dumps(text, ensure_ascii=False)


_WORDS_OF_YAML = {"yes", "no", "on", "off", "true", "false", "null", "y", "n"}


def _python(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _constants(classes: Sequence[str]) -> list[str]:
    """Names of the classes in Python; numbers where a name is none, or two would be one."""
    plain = [re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_") for name in classes]
    return [name if name.isidentifier() and plain.count(name) == 1 else f"CLASS_{k}" for k, name in enumerate(plain)]
