"""The index on disk: one folder of `.npy` files and a `meta.json`, mapped into memory by every worker.

    <cache folder>/indexes/.lock
    <cache folder>/indexes/<BLAKE2b-128 of the annotation file>-v<format>/boxes.npy, …, rejected.json, meta.json

The content of the annotation file names the folder, so a changed file has another index and an unchanged one is never
parsed again. `checked.json` in the folder has the stamps of its files when they were last known to be what the digest
says; while they keep them, opening reads none of the arrays.
"""

import contextlib
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from sampler.atomic_write import write_whole
from sampler.dataset.coco.annotations import RejectedBox
from sampler.dataset.fingerprint import Stamp, stamp, wait_until_settled
from sampler.dataset.index.arrays import ARRAYS, Index, digest
from sampler.errors import AnnotationError

FORMAT = 1
"""Raised whenever the files in an index folder change their meaning."""

META, REJECTED, CHECKED = "meta.json", "rejected.json", "checked.json"

_FAULTS = (OSError, EOFError, ValueError, msgspec.MsgspecError)
_FILES = {META, REJECTED, *(f"{name}.npy" for name in ARRAYS)}


class Meta(msgspec.Struct, frozen=True):
    """`meta.json`. `files` has the length in bytes of every other file of the folder, `checked.json` left out."""

    format: int
    source: str
    digest: str
    category_names: tuple[str, ...]
    files: dict[str, int]


def load_index(folder: Path) -> Index:
    """The index in a folder, its arrays read-only and memory-mapped. None of them is read.

    Raises AnnotationError when a file is missing, has another length than it was written with, or is not readable.
    """
    try:
        meta = msgspec.json.decode((folder / META).read_bytes(), type=Meta)
        if meta.format != FORMAT:
            raise ValueError(f"format {meta.format}, expected {FORMAT}")
        for name, length in meta.files.items():
            if (folder / name).stat().st_size != length:
                raise ValueError(f"{name} has not the {length} bytes it was written with")
        arrays = {name: _map(folder / f"{name}.npy", name) for name in ARRAYS}
    except _FAULTS as error:
        raise _damaged(folder, error) from error
    return Index(
        **arrays,  # type: ignore[arg-type] # ARRAYS names the fields and their dtypes
        category_names=meta.category_names,
        digest=meta.digest,
        read_rejected=partial(_read_rejected, folder),
    )


def check_index(folder: Path) -> None:
    """Read a whole index. Raises AnnotationError when it does not hold what its digest says."""
    index = load_index(folder)
    found = digest({name: getattr(index, name) for name in ARRAYS}, index.category_names)
    if found != index.digest:
        raise _damaged(folder, ValueError(f"its arrays have the digest {found}, expected {index.digest}"))
    _read_rejected(folder)


def is_sound(folder: Path) -> bool:
    """Whether an index folder is there, whole, and holds what its digest says.

    It is read whole only when one of its files is not the one that was last checked.
    """
    try:
        if _as_checked(folder):
            load_index(folder)
        else:
            stamps = _stamps(folder)
            check_index(folder)
            _note_checked(folder, stamps)
    except AnnotationError:
        return False
    return True


def write_checked(folder: Path) -> None:
    """Note that the files of an index are as they were just written. Raises OSError."""
    stamps = _stamps(folder)
    if wait_until_settled(stamps.values()):
        write_whole(folder / CHECKED, msgspec.json.encode(stamps))


def _note_checked(folder: Path, stamps: dict[str, Stamp]) -> None:
    """Note the stamps that the files had before they were found to be sound."""
    if wait_until_settled(stamps.values()):
        # A cache that cannot be written to still serves; it is checked whole at each start.
        with contextlib.suppress(OSError):
            write_whole(folder / CHECKED, msgspec.json.encode(stamps))


def _as_checked(folder: Path) -> bool:
    """Whether every file of the folder is the one that was last checked."""
    try:
        checked = msgspec.json.decode((folder / CHECKED).read_bytes(), type=dict[str, Stamp])
    except _FAULTS:  # never checked, or it is no note of that: the index is read then
        return False
    return checked == _stamps(folder)


def _stamps(folder: Path) -> dict[str, Stamp]:
    """The stamp of each file of an index that is there."""
    stamps = {}
    for name in sorted(_FILES):
        with contextlib.suppress(FileNotFoundError):  # `load_index` says what is missing
            stamps[name] = stamp((folder / name).stat())
    return stamps


def _read_rejected(folder: Path) -> tuple[RejectedBox, ...]:
    """The dropped boxes. Raises AnnotationError."""
    try:
        return msgspec.json.decode((folder / REJECTED).read_bytes(), type=tuple[RejectedBox, ...])
    except _FAULTS as error:
        raise _damaged(folder, error) from error


def _damaged(folder: Path, error: Exception) -> AnnotationError:
    return AnnotationError(folder, "", f"index is damaged: {error}; delete the folder to rebuild it")


def _map(file: Path, name: str) -> npt.NDArray[np.generic]:
    """A read-only array whose bytes stay on disk until they are asked for."""
    dtype, dimensions = ARRAYS[name]
    array: npt.NDArray[np.generic] = np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))
    if array.dtype != np.dtype(dtype) or array.ndim != dimensions:
        raise ValueError(f"{file.name} is {array.dtype} with {array.ndim} dimensions, expected {dtype}, {dimensions}")
    return array
