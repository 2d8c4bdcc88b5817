"""The index on disk: one folder of `.npy` files and a `meta.json`, mapped into memory by every worker.

    <cache folder>/indexes/.lock
    <cache folder>/indexes/<BLAKE2b-128 of the annotation file>-v<format>/boxes.npy, …, rejected.json, meta.json

The content of the annotation file names the folder, so a changed file has another index and an unchanged one is never
parsed again. A folder appears whole or not at all: it is built under another name, under a lock, and renamed.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import platformdirs
from filelock import FileLock

from sampler.annotations import Annotations, RejectedBox, loaded_annotations, parse_annotations
from sampler.coco_json import LOADED, LoadedCoco, read_bytes, unreadable
from sampler.errors import AnnotationError
from sampler.index import ARRAYS, Index, build_index, digest

FORMAT = 1
"""Raised whenever the files in an index folder change their meaning."""

Report = Callable[[str], None]
"""Is told what is being done, step by step."""


class Meta(msgspec.Struct, frozen=True):
    """`meta.json`. `files` has the length in bytes of every other file of the folder."""

    format: int
    source: str
    digest: str
    category_names: tuple[str, ...]
    files: dict[str, int]


def default_cache_dir() -> Path:
    """The user's cache folder for this package."""
    return Path(platformdirs.user_cache_dir("saccade-sampler", appauthor=False))


def ensure_index(source: Path | LoadedCoco, cache_dir: Path | None = None, report: Report | None = None) -> Path:
    """The folder of the index of an annotation file, built when it is not there or damaged.

    source: the annotation file, or a loaded `pycocotools.coco.COCO`. Safe when several processes do it at once.
    Raises AnnotationError when the annotations cannot be used or the index cannot be written.
    """
    say = report or _silent
    indexes = (cache_dir or default_cache_dir()) / "indexes"
    if isinstance(source, Path):
        say("reading the annotation file")
        key = _file_digest(source)
        folder = indexes / f"{key}-v{FORMAT}"
        if is_sound(folder):
            return folder
        return _build_locked(folder, source, lambda: _parse(source, key, say), say)
    say("taking over the annotations")
    annotations = loaded_annotations(source)
    folder = indexes / f"{_columns_digest(annotations)}-v{FORMAT}"
    if is_sound(folder):
        return folder
    return _build_locked(folder, LOADED, lambda: annotations, say)


def is_sound(folder: Path) -> bool:
    """Whether an index folder is there, whole, and holds what its digest says."""
    try:
        index = load_index(folder)
    except AnnotationError:
        return False
    return digest({name: getattr(index, name) for name in ARRAYS}, index.category_names) == index.digest


def load_index(folder: Path) -> Index:
    """The index in a folder, its arrays read-only and memory-mapped.

    Raises AnnotationError when a file is missing, has another length than it was written with, or is not readable.
    """
    try:
        meta = msgspec.json.decode((folder / "meta.json").read_bytes(), type=Meta)
        if meta.format != FORMAT:
            raise ValueError(f"format {meta.format}, expected {FORMAT}")
        for name, length in meta.files.items():
            if (folder / name).stat().st_size != length:
                raise ValueError(f"{name} has not the {length} bytes it was written with")
        arrays = {name: _map(folder / f"{name}.npy", name) for name in ARRAYS}
        rejected = msgspec.json.decode((folder / "rejected.json").read_bytes(), type=tuple[RejectedBox, ...])
    except (OSError, EOFError, ValueError, msgspec.MsgspecError) as error:
        raise AnnotationError(folder, "", f"index is damaged: {error}; delete the folder to rebuild it") from error
    return Index(
        **arrays,  # type: ignore[arg-type] # ARRAYS names the fields and their dtypes
        category_names=meta.category_names,
        rejected=rejected,
        digest=meta.digest,
    )


def _silent(_: str) -> None:
    return


def _file_digest(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError as error:
        raise unreadable(file, error) from error


def _columns_digest(annotations: Annotations) -> str:
    """Names the index of a loaded object, which has no file to be named by."""
    hasher = hashlib.blake2b(digest_size=16)
    index = build_index(annotations)
    hasher.update(index.digest.encode())
    hasher.update(index.annotation_ids.tobytes())
    hasher.update(msgspec.json.encode(index.rejected))
    return hasher.hexdigest()


def _parse(file: Path, key: str, say: Report) -> Annotations:
    say("parsing the annotation file")
    data = read_bytes(file)
    if hashlib.blake2b(data, digest_size=16).hexdigest() != key:
        raise AnnotationError(file, "", "annotation file changed while it was read; start again")
    return parse_annotations(data, file)


def _build_locked(folder: Path, source: Path | str, parse: Callable[[], Annotations], say: Report) -> Path:
    """Build the index under the lock of all indexes, unless another process did so meanwhile."""
    indexes = folder.parent
    try:
        indexes.mkdir(parents=True, exist_ok=True)
        with FileLock(indexes / ".lock"):
            for leftover in indexes.glob("*.part"):
                # Whoever holds the lock is the only builder: what another one left, it left by dying.
                shutil.rmtree(leftover)
            if not is_sound(folder):
                index = build_index(parse())
                say("writing the index")
                _replace(folder, index, str(source))
    except OSError as error:
        cause = (
            f"index cannot be written to {indexes}: {error.strerror or error}; make room or set another cache folder"
        )
        raise AnnotationError(source, "", cause) from error
    return folder


def _replace(folder: Path, index: Index, source: str) -> None:
    """Write the index beside its folder, then put it there in one step."""
    part = Path(tempfile.mkdtemp(suffix=".part", dir=folder.parent))
    try:
        _write(part, index, source)
        if folder.exists():
            folder.rename(part.with_suffix(".old.part"))
        part.rename(folder)
    finally:
        for leftover in folder.parent.glob("*.part"):
            shutil.rmtree(leftover, ignore_errors=True)


def _write(folder: Path, index: Index, source: str) -> None:
    folder.chmod(0o755)
    for name, (dtype, _) in ARRAYS.items():
        _save(folder / f"{name}.npy", np.ascontiguousarray(getattr(index, name), dtype))
    (folder / "rejected.json").write_bytes(msgspec.json.encode(index.rejected))
    files = {file.name: file.stat().st_size for file in folder.iterdir()}
    meta = Meta(FORMAT, source, index.digest, index.category_names, files)
    (folder / "meta.json").write_bytes(msgspec.json.encode(meta))


def _save(file: Path, array: npt.NDArray[np.generic]) -> None:
    """What `np.save` writes; but a full disk is an OSError with its cause."""
    with file.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, np.lib.format.header_data_from_array_1_0(array))
        stream.write(array.tobytes())


def _map(file: Path, name: str) -> npt.NDArray[np.generic]:
    """A read-only array whose bytes stay on disk until they are asked for."""
    dtype, dimensions = ARRAYS[name]
    array: npt.NDArray[np.generic] = np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))
    if array.dtype != np.dtype(dtype) or array.ndim != dimensions:
        raise ValueError(f"{file.name} is {array.dtype} with {array.ndim} dimensions, expected {dtype}, {dimensions}")
    return array
