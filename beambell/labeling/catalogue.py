"""The catalogue: all labeling functions of a project, imported from the user's own modules."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import linecache
import os
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NoReturn, Self

from beambell.errors import BeamBellError, CatalogueError, UsageError
from beambell.labeling.collection import Collected, collect, shown, twins, unseen
from beambell.labeling.core import LabelingFunction
from beambell.labeling.files import Stamp, note_read, noting_reads, project_root, stamp_of
from beambell.labeling.fingerprint import fingerprint
from beambell.labeling.hidden_inputs import find_hidden_inputs
from beambell.labeling.made import noting
from beambell.labeling.python import adopt
from beambell.labeling.source_text import source
from beambell.labeling.stateful import specs_of
from beambell.labeling.yaml_files import find_files, read_lfs

_OURS = frozenset({"beambell", "beam_jobs"})
_EXAMPLE = "labeling_functions"
_importing = threading.RLock()


class Catalogue:
    """The labeling functions of a project, sorted by name.

    Fingerprints are taken at once, before any row could change what a function remembers.

    Parameters
    ----------
    lfs
        Labeling functions with distinct names; snorkel's are adopted.
    places
        Place where each is defined, ``file:line``, by name.
    may_be_empty
        Whether there may be no labeling function yet.

    Attributes
    ----------
    lfs
        All of them, by name.
    fingerprints, sources
        Fingerprint, and what it was made of, by name.
    aggregates
        Aggregates that the stateful ones vote by, by id.
    remarks
        Sentences that people should read about them.

    Raises
    ------
    CatalogueError
        If there is none, or two share a name.
    """

    def __init__(
        self,
        lfs: Iterable[LabelingFunction],
        places: Mapping[str, str] | None = None,
        *,
        may_be_empty: bool = False,
    ) -> None:
        adopted = [adopt(lf) for lf in lfs]
        if not adopted and not may_be_empty:
            raise CatalogueError("there are no labeling functions", fix="define at least one")
        self._by_name = {lf.name: lf for lf in sorted(adopted, key=lambda lf: lf.name)}
        if len(self._by_name) < len(adopted):
            names = [lf.name for lf in adopted]
            twice = sorted({name for name in names if names.count(name) > 1})
            raise CatalogueError(f"two labeling functions share a name: {', '.join(twice)}", fix="rename one of them")
        self.lfs = tuple(self._by_name.values())
        self.places = dict(places or {})
        self.fingerprints = {lf.name: fingerprint(lf) for lf in self.lfs}
        self.sources = {lf.name: source(lf) for lf in self.lfs}
        self.aggregates = specs_of(self.lfs)
        self._read: dict[str, tuple[Path, Stamp | None]] = {}
        self.remarks: tuple[str, ...] = tuple(twins(self.fingerprints, self.places))

    @classmethod
    def load(
        cls,
        modules: Sequence[str],
        *,
        files: Sequence[str] = (),
        classes: Sequence[str] = (),
        root: Path | None = None,
        may_be_empty: bool = False,
    ) -> Self:
        """Import modules, read YAML files, and collect the labeling functions in them.

        Counted is what `beambell.labeling.collection.collect` finds. With a root, the modules (and whatever they import
        from it) are read anew from its files, whatever was imported before under the same names, and relative file
        names of labeling functions start there. What modules print meanwhile goes to stderr.

        Parameters
        ----------
        modules
            Dotted names.
        files
            Globs of YAML files, relative to the root. See `beambell.labeling.yaml_files`.
        classes
            Names of the classes, which those files may use as labels.
        root
            The project's folder, which goes on ``sys.path``; ``None`` imports as usual.
        may_be_empty
            Whether there may be no labeling function yet.

        Raises
        ------
        CatalogueError
            If an import fails (naming file, line and exception), two labeling functions share a name (naming
            both places), or there is none.
        """
        # What a module prints while it is imported must not get into a command's result, which may be JSON.
        with _importing, _fresh_imports(modules, root), redirect_stdout(sys.stderr), noting_reads() as read:
            with noting() as made, _no_exit():
                imported = [_import(name, root) for name in modules]
            found = [one for module in imported for one in collect(module, root)]
            remarks = unseen(imported, made, found, root)
            found += _read(files, classes, root or Path.cwd())
            lfs = _unique(found)
            if not lfs and not may_be_empty:
                raise _nothing_in([*modules, *files], remarks)
            # Here, for a fingerprint follows imports inside functions.
            places = {lf.name: one.place for lf, one in lfs}
            catalogue = cls([lf for lf, _ in lfs], places, may_be_empty=may_be_empty)
            uses = find_hidden_inputs(catalogue.lfs, root)
            catalogue.remarks = (*remarks, *catalogue.remarks, *uses)
            catalogue._read = {shown(path, root): (path, stamp) for path, stamp in read.items()}
            return catalogue

    def changed_files(self) -> list[str]:
        """Name the files that these labeling functions were made from, and that were written since."""
        return sorted(name for name, (path, stamp) in self._read.items() if stamp_of(path) != stamp)

    @property
    def names(self) -> tuple[str, ...]:
        """Names, sorted: the order of votes in every artefact."""
        return tuple(self._by_name)

    def source(self, name: str) -> str:
        """Return what a labeling function was made of, for the record."""
        return self.sources[self[name].name]

    def __getitem__(self, name: str) -> LabelingFunction:
        try:
            return self._by_name[name]
        except KeyError:
            close = difflib.get_close_matches(name, self.names)
            fix = f"did you mean {' or '.join(close)}?" if close else f"there are: {', '.join(self.names)}"
            raise UsageError(f"there is no labeling function {name!r}", fix=fix) from None

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[LabelingFunction]:
        return iter(self.lfs)

    def __len__(self) -> int:
        return len(self.lfs)


def _read(patterns: Sequence[str], classes: Sequence[str], root: Path) -> Iterator[Collected]:
    for path in find_files(patterns, root):
        name = shown(path.absolute(), root)
        yield from (Collected(lf, place) for lf, place in read_lfs(path, name, classes))


def _unique(found: Iterable[Collected]) -> list[tuple[LabelingFunction, Collected]]:
    lfs: dict[str, tuple[LabelingFunction, Collected]] = {}
    for lf, one in _distinct(found):
        if lf.name in lfs:
            both = " and ".join(dict.fromkeys([lfs[lf.name][1].place, one.place]))
            raise CatalogueError(f"two labeling functions are named {lf.name!r}, at {both}", fix="rename one of them")
        lfs[lf.name] = lf, one
    return list(lfs.values())


def _nothing_in(homes: Sequence[str], remarks: Sequence[str]) -> CatalogueError:
    unseen = "".join(f"\n  {remark}" for remark in remarks)
    return CatalogueError(
        f"there are no labeling functions in {', '.join(homes) or 'no modules'}{unseen}",
        fix="define one at the top level of a module listed under lfs: modules in params.yaml; "
        "`beambell lf new NAME --kind keyword` adds one to fill in",
    )


def _distinct(found: Iterable[Collected]) -> Iterator[tuple[LabelingFunction, Collected]]:
    """Adopt every object once, however often it was imported from one module into another."""
    seen: set[int] = set()
    for one in found:
        if id(one.thing) not in seen:
            seen.add(id(one.thing))
            try:
                yield adopt(one.thing), one
            except BeamBellError as error:
                raise _at(error, one.place) from error


def _import(name: str, root: Path | None) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
            raise CatalogueError(
                str(error),
                where=f"lfs: modules: {name}",
                fix="correct lfs: modules in params.yaml; where the project has no labeling functions yet, "
                "`beambell lf new NAME --kind keyword` makes the first module of that list",
            ) from None
        place = _place(error, name, root)
        if isinstance(error, BeamBellError):
            raise _at(error, place) from error
        raise CatalogueError(
            f"importing {name} failed: {type(error).__name__}: {error}",
            where=place,
            fix="correct the module, or take it off lfs: modules in params.yaml",
        ) from error


def _at(error: BeamBellError, place: str) -> CatalogueError:
    """Say where in the user's code one of our own errors comes from."""
    where = f"{place}, {error.where}" if error.where else place
    return CatalogueError(error.message, where=where, fix=error.fix, details=error.details)


def _place(error: BaseException, name: str, root: Path | None) -> str:
    """Return ``file:line`` of the innermost line of the user's code that an import failed on."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{shown(Path(error.filename), root)}:{error.lineno}"
    frames = [(Path(frame.f_code.co_filename), line) for frame, line in traceback.walk_tb(error.__traceback__)]
    users = [(file, line) for file, line in frames if not _is_machinery(file, root)]
    return f"{shown(users[-1][0], root)}:{users[-1][1]}" if users else f"lfs: modules: {name}"


def _is_machinery(file: Path, root: Path | None) -> bool:
    outside = root is not None and not file.is_relative_to(root.absolute())
    importing = str(file).startswith("<frozen") or file.parent.name == "importlib"
    return outside or importing or "site-packages" in file.parts or file.is_relative_to(Path(__file__).parents[1])


@contextmanager
def _no_exit() -> Iterator[None]:
    """Make an error of ``os._exit`` in a module: the command would end without a word, as if it were done."""

    def refuse(status: int) -> NoReturn:
        raise SystemExit(f"os._exit({status})")

    usual, os._exit = os._exit, refuse
    try:
        yield
    finally:
        os._exit = usual


# --- fresh imports from a project's root ---------------------------------------------------------------------------


_fresh: list[ModuleType] = []  # what projects' finders loaded, to be forgotten by the next load


class _FreshLoader(SourceFileLoader):
    """Compiles the source as it is now: a cached ``.pyc`` cannot tell two edits within one second apart."""

    def exec_module(self, module: ModuleType) -> None:
        _fresh.append(module)
        super().exec_module(module)

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        note_read(Path(path))
        data = self.get_data(path)
        # A fingerprint is of the source that was compiled, even if the file is edited before it is taken.
        lines = importlib.util.decode_source(data).splitlines(keepends=True)
        linecache.cache[path] = len(data), None, lines, path
        code: CodeType = self.source_to_code(data, path)
        return code


class _FolderLoader(_FreshLoader):
    """Makes a package of a folder without an ``__init__.py``."""

    def is_package(self, fullname: str) -> bool:  # noqa: ARG002
        return True

    def get_code(self, fullname: str) -> CodeType:
        return compile("", self.get_filename(fullname), "exec")


class _ProjectFinder:
    """Finds modules in a project's root before anything else does, except our own."""

    def __init__(self, root: Path, modules: Sequence[str]) -> None:
        self._root = root
        self._tops = {name.partition(".")[0] for name in modules}

    def find_spec(self, name: str, path: Sequence[str] | None = None, _target: Any = None) -> ModuleSpec | None:
        if name.partition(".")[0] in _OURS:
            return None
        for folder in [str(self._root)] if path is None else path:
            if Path(folder).is_relative_to(self._root) and "site-packages" not in folder:
                finder = FileFinder(folder, (_FreshLoader, SOURCE_SUFFIXES))
                spec = finder.find_spec(name)
                if spec is not None and spec.loader is None:
                    spec = self._package(name, Path(folder, name.rpartition(".")[2]))
                if spec is not None:
                    return spec
        return None

    def _package(self, name: str, folder: Path) -> ModuleSpec | None:
        """See a folder without ``__init__.py`` as a package: Python would prefer any other of that name anywhere.

        A folder that holds no Python, such as one of data that goes by the name of a library, is none; but whoever
        lists its name under ``lfs: modules`` means the folder.
        """
        if name not in self._tops and next(folder.rglob("*.py"), None) is None:
            return None
        spec = ModuleSpec(name, _FolderLoader(name, str(folder / "__init__.py")), is_package=True)
        spec.submodule_search_locations = [str(folder)]
        return spec


@contextmanager
def _fresh_imports(modules: Sequence[str], root: Path | None) -> Iterator[None]:
    if root is None:
        yield
        return
    root = root.absolute()
    _forget(modules)
    _put_first(str(root))
    finder = _ProjectFinder(root, modules)
    sys.meta_path.insert(0, finder)
    importlib.invalidate_caches()
    try:
        with project_root(root):
            yield
    finally:
        sys.meta_path.remove(finder)


def _forget(modules: Sequence[str]) -> None:
    """Drop what earlier loads imported, and whatever else goes by the names that are to be imported."""
    tops = {name.partition(".")[0] for name in modules} - _OURS
    earlier = _fresh[:]  # a thread that votes may be importing one more
    # One may be known by other names as well. There are thousands of modules: to ask each for its loader takes long.
    ids = set(map(id, earlier))
    for name, module in list(sys.modules.items()):
        if id(module) in ids or name.partition(".")[0] in tops:
            del sys.modules[name]
    del _fresh[: len(earlier)]


_earlier_roots: set[str] = set()


def is_installed(name: str) -> bool:
    """Whether a module that a project lacks belongs to an installed package; BeamBell's example is none."""
    top = name.partition(".")[0]
    spec = importlib.util.find_spec(top)
    if spec is None:
        return False
    folders = [Path(place).parent for place in spec.submodule_search_locations or [spec.origin or ""]]
    beside_us = top == _EXAMPLE and Path(__file__).parents[2] in folders
    return not beside_us and not _earlier_roots.intersection(map(str, folders))


def _put_first(root: str) -> None:
    """Let this project come first on ``sys.path``, and earlier ones not at all: imports may happen in a vote."""
    sys.path[:] = [root, *(entry for entry in sys.path if entry not in _earlier_roots and entry != root)]
    if root != str(Path(__file__).parents[2]):  # a clone is a project, too, and where BeamBell itself comes from
        _earlier_roots.add(root)
