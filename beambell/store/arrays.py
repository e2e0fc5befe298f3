"""Named NumPy arrays as one file with reproducible bytes, and never a pickle."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from beambell.errors import ArtefactError

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the zip format's own first day: no clock in an artefact


def pack_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Write arrays as an ``.npz`` that ``numpy.load`` reads, in name order and without a time.

    Uncompressed: deflate differs between builds of zlib.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(arrays):
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(arrays[name]), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _EPOCH), member.getvalue())
    return buffer.getvalue()


def unpack_arrays(
    data: bytes, where: str, fix: str = "run the stage that writes it again"
) -> dict[str, npt.NDArray[Any]]:
    """Read arrays back.

    Raises
    ------
    ArtefactError
        If the bytes are truncated, changed, or hold objects instead of numbers.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, OSError, zipfile.BadZipFile, EOFError, KeyError) as error:
        raise ArtefactError(f"not a readable archive of arrays ({error})", where=where, fix=fix) from None
