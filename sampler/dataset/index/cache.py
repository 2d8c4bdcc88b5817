"""The index of an annotation file: found in the cache folder, or built there.

The digest of the annotation file names the folder of its index, so a changed file has another index and an unchanged
one is never parsed again. Indexes are built under one lock and appear atomically.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
from filelock import FileLock

from sampler.dataset.index.annotation_file import AnnotationFile
from sampler.dataset.index.arrays import build_index
from sampler.dataset.index.storage import FORMAT, is_sound, remove_drafts, write_index
from sampler.errors import AnnotationError


def default_cache_dir() -> Path:
    """Return the user's cache folder for this package."""
    return Path(platformdirs.user_cache_dir("saccade-sampler", appauthor=False))


def ensure_index(annotations: Path, cache_dir: Path | None = None, report: Callable[[str], None] | None = None) -> Path:
    """Return the folder of the index of an annotation file. Builds the index if it is missing or damaged.

    Any number of processes may call this at once. `report` is called with a description of each step. Raises
    AnnotationError if the annotation file cannot be used or the index cannot be written.
    """
    report = report or (lambda _: None)
    indexes = (cache_dir or default_cache_dir()) / "indexes"
    report("reading the annotation file")
    with AnnotationFile.open(annotations, indexes) as file:
        folder = _find(file, indexes)
        if folder is None:
            with _lock(indexes, annotations):
                # Another process may have built it while this one waited.
                folder = _find(file, indexes) or _build(file, indexes, report)
        return folder


def _find(file: AnnotationFile, indexes: Path) -> Path | None:
    """Return the folder of a sound index. Reads the annotation file only if there may be one."""
    digest = file.remembered_digest()
    if digest is None:
        if not any(indexes.glob(f"*-v{FORMAT}")):
            return None
        digest = file.digest()
    folder = _folder(indexes, digest)
    if not is_sound(folder):
        return None
    file.remember(digest)
    return folder


def _build(file: AnnotationFile, indexes: Path, report: Callable[[str], None]) -> Path:
    report("parsing the annotation file")
    annotations, digest = file.parse()
    index, rejected = build_index(annotations), annotations.rejected
    del annotations  # frees memory before the index is written
    report("writing the index")
    folder = _folder(indexes, digest)
    write_index(folder, index, rejected, str(file.path))
    file.remember(digest)
    return folder


def _folder(indexes: Path, digest: str) -> Path:
    return indexes / f"{digest}-v{FORMAT}"


@contextmanager
def _lock(indexes: Path, annotations: Path) -> Iterator[None]:
    """Hold the lock of all indexes. Failing to write becomes an AnnotationError."""
    try:
        indexes.mkdir(parents=True, exist_ok=True)
        with FileLock(indexes / ".lock"):
            remove_drafts(indexes)
            yield
    except OSError as error:
        cause = f"index cannot be written to {indexes}: {error.strerror or error}; make space or set another"
        raise AnnotationError(annotations, "", f"{cause} cache folder (SAMPLER_CACHE_DIR)") from error
