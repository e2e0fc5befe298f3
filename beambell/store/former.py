"""Labels of before there was a folder for everybody: their manifests and hashed files lay in that folder themselves.

They are read where they are, and moved by whoever writes next.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from beambell.errors import BeamBellError
from beambell.store.backend import CHUNK
from beambell.store.layout import Layout

if TYPE_CHECKING:
    from beambell.store.manifest import Store


def move_labels(store: Store) -> None:
    """Move published labels of an older data root to where they are kept now; does nothing if there are none.

    Killed at any time, it goes on where it was. At no time does a reader of the folder for everybody see a row twice,
    where a file can be renamed; an object store copies it first. Labels that are damaged stay where they are.
    """
    for place in store.files.stamps(Layout.PUBLIC, Layout.MANIFEST):
        with suppress(BeamBellError):  # whoever reads them says what is wrong with them
            _move(store, place)
    store.forget_former()


def _move(store: Store, old: str) -> None:
    new = Layout.today(old)
    labels = store.read(new)  # from where it lies
    if labels is None:
        return
    ref = labels.files["labels"]
    if store.lies_formerly(new):
        with store.open(new, ref) as file, store.files.appearing(f"{new}/{ref.name}") as copy:
            shutil.copyfileobj(file, copy, CHUNK)
        store.publish(new, labels)
    for name in store.files.list(old):
        if name not in {Layout.MANIFEST, Layout.PUBLIC_FILE, ref.name}:
            store.files.remove(f"{old}/{name}")
    if ref.name in store.files.list(old):
        store.files.rename(f"{old}/{ref.name}", f"{old}/{Layout.PUBLIC_FILE}")
    store.files.remove(f"{old}/{Layout.MANIFEST}")
