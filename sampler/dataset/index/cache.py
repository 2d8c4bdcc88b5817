"""The index of an annotation file: found in the cache folder, or built there.

The content of the annotation file names the folder of its index, so a changed file has another index and an unchanged
one is never parsed again (`known_sources` recognises an unchanged one without reading it). A folder appears whole or
not at all: it is built under another name, under a lock, and renamed.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
import platformdirs
from filelock import FileLock

from sampler.dataset.coco.annotations import loaded_annotations, scan_annotations
from sampler.dataset.coco.entries import LOADED, LoadedCoco, unreadable
from sampler.dataset.coco.hashing_reader import stream_digest
from sampler.dataset.index.arrays import ARRAYS, Index, build_index, content
from sampler.dataset.index.known_sources import Source
from sampler.dataset.index.storage import FORMAT, META, REJECTED, Meta, is_sound, load_index, write_checked
from sampler.errors import AnnotationError

__all__ = ["default_cache_dir", "ensure_index", "is_sound", "load_index"]

Content = TypeVar("Content")
Report = Callable[[str], None]
"""Is told what is being done, step by step."""


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
        return _index_of_file(source, indexes, say)
    say("taking over the annotations")
    index = build_index(loaded_annotations(source))
    folder = _folder(indexes, _loaded_digest(index))
    if not is_sound(folder):
        with _building(indexes, LOADED):
            if not is_sound(folder):
                say("writing the index")
                _replace(folder, index, LOADED)
    return folder


def _index_of_file(file: Path, indexes: Path, say: Report) -> Path:
    say("reading the annotation file")
    with _open(file) as stream:
        source = Source(file, os.fstat(stream.fileno()), indexes)
        folder = _found(file, stream, source, indexes)
        if folder is None:
            with _building(indexes, file):
                # Another process may have built it meanwhile.
                folder = _found(file, stream, source, indexes) or _built(file, stream, source, indexes, say)
        return folder


def _found(file: Path, stream: BufferedReader, source: Source, indexes: Path) -> Path | None:
    """The folder of a sound index of the file. The file is read only if there is an index that may be its own."""
    digest = source.noted()
    if digest is None:
        if not any(indexes.glob(f"*-v{FORMAT}")):
            return None
        digest = _read(file, lambda: stream_digest(stream))
        _unchanged(file, stream, source)
    folder = _folder(indexes, digest)
    if not is_sound(folder):
        return None
    _note(source, digest)
    return folder


def _built(file: Path, stream: BufferedReader, source: Source, indexes: Path, say: Report) -> Path:
    """The folder of the index, parsed and written."""
    say("parsing the annotation file")
    annotations, digest = _read(file, lambda: scan_annotations(stream, file))
    _unchanged(file, stream, source)
    index = build_index(annotations)
    del annotations
    say("writing the index")
    folder = _folder(indexes, digest)
    _replace(folder, index, str(file))
    _note(source, digest)
    return folder


def _silent(_: str) -> None:
    return


def _folder(indexes: Path, digest: str) -> Path:
    return indexes / f"{digest}-v{FORMAT}"


@contextmanager
def _open(file: Path) -> Iterator[BufferedReader]:
    try:
        stream = file.open("rb")
    except OSError as error:
        raise unreadable(file, error) from error
    with stream:
        yield stream


def _read(file: Path, reading: Callable[[], Content]) -> Content:
    """What reading the file gives; when it cannot be read, the error says so."""
    try:
        return reading()
    except OSError as error:
        raise unreadable(file, error) from error


def _unchanged(file: Path, stream: BufferedReader, source: Source) -> None:
    if not source.unchanged(os.fstat(stream.fileno())):
        raise AnnotationError(file, "", "annotation file changed while it was read; start again")


def _note(source: Source, digest: str) -> None:
    # A note that cannot be written (a cache that is full or read-only) costs another reading next time, and no more.
    with suppress(OSError):
        source.note(digest)


def _loaded_digest(index: Index) -> str:
    """Names the index of a loaded object, which has no file to be named by."""
    hasher = hashlib.blake2b(digest_size=16)
    hasher.update(index.digest.encode())
    hasher.update(content(index.annotation_ids))
    hasher.update(msgspec.json.encode(index.rejected))
    return hasher.hexdigest()


@contextmanager
def _building(indexes: Path, source: Path | str) -> Iterator[None]:
    """Hold the lock of all indexes. What cannot be written becomes an AnnotationError."""
    try:
        indexes.mkdir(parents=True, exist_ok=True)
        with FileLock(indexes / ".lock"):
            for leftover in indexes.glob("*.part"):
                # Whoever holds the lock is the only builder: what another one left, it left by dying.
                shutil.rmtree(leftover)
            yield
    except OSError as error:
        cause = (
            f"index cannot be written to {indexes}: {error.strerror or error}; make room or set another "
            "cache folder (SAMPLER_CACHE_DIR)"
        )
        raise AnnotationError(source, "", cause) from error


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
    (folder / REJECTED).write_bytes(msgspec.json.encode(index.rejected))
    files = {file.name: file.stat().st_size for file in folder.iterdir()}
    meta = Meta(FORMAT, source, index.digest, index.category_names, files)
    (folder / META).write_bytes(msgspec.json.encode(meta))
    write_checked(folder)


def _save(file: Path, array: npt.NDArray[np.generic]) -> None:
    """What `np.save` writes; but a full disk is an OSError with its cause."""
    with file.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, np.lib.format.header_data_from_array_1_0(array))
        stream.write(content(array))
