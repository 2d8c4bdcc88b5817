"""A dataset index on disk: a folder of `.npy` files and a `meta.json`, memory-mapped by every worker.

    <cache folder>/indexes/<BLAKE2b-128 of the annotation file>-v<format>/
        boxes.npy, …   the arrays
        left_out.json  the boxes that were dropped or ignored
        meta.json      digest, annotation files, categories, counts, length of every file
        checked.json   fingerprints of the files when they were last compared with the digest

While the files have the fingerprints in `checked.json`, opening an index reads none of its arrays.
"""

import contextlib
import shutil
import tempfile
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from sampler.atomic_write import atomic_write
from sampler.dataset.coco.annotations import LeftOut
from sampler.dataset.fingerprint import Fingerprint, wait_until_settled
from sampler.dataset.index.arrays import ARRAYS, IndexArrays, array_bytes, index_digest, report_digest
from sampler.dataset.index.stored_array import StoredArray
from sampler.errors import AnnotationError, CacheError
from sampler.npy_file import load_npy
from sampler.system_errors import explain, is_of_the_file

FORMAT = 2
"""Raised whenever the meaning of the files changes."""

META, LEFT_OUT, CHECKED = "meta.json", "left_out.json", "checked.json"

DRAFT = ".part"
"""Ends the name of a folder that is not a complete index."""

_FAULTS = (OSError, EOFError, ValueError, msgspec.MsgspecError)
_FILES = {META, LEFT_OUT, *(f"{name}.npy" for name in ARRAYS)}


class Meta(msgspec.Struct, frozen=True):
    """`meta.json`.

    Attributes:
        sources: The annotation files, several if the index combines them.
        report_digest: Identity of what samples do not depend on.
        dropped: Number of invalid boxes.
        unlisted: Number of boxes of images that are not listed.
        files: Length in bytes of every other file but `checked.json`.
    """

    format: int
    sources: tuple[str, ...]
    digest: str
    report_digest: str
    category_names: tuple[str, ...]
    supercategories: tuple[str, ...]
    dropped: int
    unlisted: int
    files: dict[str, int]


def load_index(folder: Path, *, mapped: bool = True) -> IndexArrays:
    """Open the arrays of an index, read-only, without reading them. Raises AnnotationError if a file is not complete.

    mapped: False for arrays that are read when they are used; see `StoredArray`.
    """
    meta = load_meta(folder)
    try:
        for name, length in meta.files.items():
            if (folder / name).stat().st_size != length:
                raise ValueError(f"{name} does not have the {length} bytes that were written")
        arrays = {name: _open(folder / f"{name}.npy", name, mapped) for name in ARRAYS}
    except _FAULTS as error:
        raise _unusable(folder, error) from error
    return IndexArrays(
        **arrays,  # type: ignore[arg-type] # the keys of ARRAYS are the names of the fields
        category_names=meta.category_names,
        supercategories=meta.supercategories,
        digest=meta.digest,
    )


def load_meta(folder: Path) -> Meta:
    """Return the description of an index. Raises AnnotationError."""
    try:
        meta = msgspec.json.decode((folder / META).read_bytes(), type=Meta)
        if meta.format != FORMAT:
            raise ValueError(f"format {meta.format}, expected {FORMAT}")
    except _FAULTS as error:
        raise _unusable(folder, error) from error
    return meta


def read_left_out(folder: Path) -> LeftOut:
    """Return the boxes that were dropped or ignored. Raises AnnotationError."""
    try:
        return msgspec.json.decode((folder / LEFT_OUT).read_bytes(), type=LeftOut)
    except _FAULTS as error:
        raise _unusable(folder, error) from error


def write_index(folder: Path, index: IndexArrays, left_out: LeftOut, sources: tuple[str, ...]) -> None:
    """Create or replace an index atomically. The caller holds the lock of all indexes. Raises OSError."""
    draft = Path(tempfile.mkdtemp(suffix=DRAFT, dir=folder.parent))
    try:
        draft.chmod(0o755)
        for name, (dtype, _) in ARRAYS.items():
            _save(draft / f"{name}.npy", np.ascontiguousarray(getattr(index, name), dtype))
        (draft / LEFT_OUT).write_bytes(msgspec.json.encode(left_out))
        meta = Meta(
            format=FORMAT,
            sources=sources,
            digest=index.digest,
            report_digest=report_digest(_arrays(index), index.supercategories),
            category_names=index.category_names,
            supercategories=index.supercategories,
            dropped=len(left_out.rejected),
            unlisted=left_out.unlisted_count,
            files={file.name: file.stat().st_size for file in draft.iterdir()},
        )
        (draft / META).write_bytes(msgspec.json.encode(meta))
        mark_checked(draft, _fingerprints(draft))
        if folder.exists():
            folder.rename(draft.with_suffix(f".old{DRAFT}"))
        draft.rename(folder)
    finally:
        remove_drafts(folder.parent)


def remove_drafts(indexes: Path) -> None:
    """Remove incomplete indexes. The caller holds the lock, so their writers have failed or were killed."""
    for draft in indexes.glob(f"*{DRAFT}"):
        shutil.rmtree(draft, ignore_errors=True)


def check_index(folder: Path) -> None:
    """Read a whole index. Raises AnnotationError if it does not have its digest."""
    index, meta = load_index(folder, mapped=False), load_meta(folder)
    arrays = _arrays(index)
    try:
        digests = (
            (index_digest(arrays, index.category_names), index.digest),
            (report_digest(arrays, index.supercategories), meta.report_digest),
        )
    except _FAULTS as error:
        raise _unusable(folder, error) from error
    for found, expected in digests:
        if found != expected:
            raise _unusable(folder, ValueError(f"its arrays have the digest {found}, expected {expected}"))
    read_left_out(folder)


def is_sound(folder: Path) -> bool:
    """Return whether an index exists and has its digest. Reads it only if a file has changed since the last check."""
    try:
        fingerprints = _fingerprints(folder)
        if _checked_fingerprints(folder) == fingerprints:
            load_index(folder, mapped=False)
        else:
            check_index(folder)
            with contextlib.suppress(OSError):  # a read-only cache works too; the index is read at each start
                mark_checked(folder, fingerprints)
    except AnnotationError:
        return False
    return True


def mark_checked(folder: Path, fingerprints: dict[str, Fingerprint] | None = None) -> None:
    """Record that the files of an index were sound when they had these fingerprints (default: now). Raises OSError."""
    fingerprints = _fingerprints(folder) if fingerprints is None else fingerprints
    if wait_until_settled(fingerprints.values()):
        atomic_write(folder / CHECKED, msgspec.json.encode(fingerprints))


def _checked_fingerprints(folder: Path) -> dict[str, Fingerprint] | None:
    try:
        return msgspec.json.decode((folder / CHECKED).read_bytes(), type=dict[str, Fingerprint])
    except _FAULTS:  # never checked, or damaged: the index is read instead
        return None


def _fingerprints(folder: Path) -> dict[str, Fingerprint]:
    found = {}
    for name in sorted(_FILES):
        try:
            found[name] = Fingerprint.of((folder / name).stat())
        except OSError as error:
            if not is_of_the_file(error):
                raise _unusable(folder, error) from error
            # `load_index` reports what is missing
    return found


def _arrays(index: IndexArrays) -> dict[str, npt.NDArray[np.generic]]:
    return {name: getattr(index, name) for name in ARRAYS}


def _unusable(folder: Path, error: Exception) -> AnnotationError | CacheError:
    """Return the error for an index that cannot be read. Only an AnnotationError says that the index is damaged."""
    if isinstance(error, OSError) and not is_of_the_file(error):
        return CacheError(f"{folder}: index cannot be read: {explain(error, folder)}")
    if isinstance(error, FileNotFoundError) and not folder.exists():
        return AnnotationError(folder, "", "index does not exist; start again to build it")
    return AnnotationError(folder, "", f"index is damaged: {error}; delete the folder to rebuild it")


def _open(file: Path, name: str, mapped: bool) -> npt.NDArray[np.generic] | StoredArray:
    dtype, dimensions = ARRAYS[name]
    array: npt.NDArray[np.generic] | StoredArray
    array = load_npy(file, mapped=True) if mapped else StoredArray(file)
    if array.dtype != np.dtype(dtype) or array.ndim != dimensions:
        raise ValueError(f"{file.name} is {array.dtype} with {array.ndim} dimensions, expected {dtype}, {dimensions}")
    return array


def _save(file: Path, array: npt.NDArray[np.generic]) -> None:
    """Write what `np.save` writes, but let a full disk be an OSError with its cause."""
    with file.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, np.lib.format.header_data_from_array_1_0(array))
        stream.write(array_bytes(array))
