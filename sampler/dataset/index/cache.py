"""The index of an annotation file: found in the cache folder, or built there.

The digest of the annotation file names the folder of its index, so a changed file has another index and an unchanged
one is never parsed again. The index of several files, or of some images, is made from the indexes of the files. Indexes
are built under one lock and appear atomically.

Path, fingerprint and digest of a file are noted in

    <cache folder>/indexes/.sources/<BLAKE2b-128 of the path>.json

so that an unchanged file is not even read. A note is only a shortcut: if anything does not match, the file is read.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from sampler.cache_folder import default_cache_dir
from sampler.dataset.coco.annotations import LeftOut
from sampler.dataset.image_ids import ImageId, read_image_ids
from sampler.dataset.index.annotation_file import AnnotationFile, LoadedCoco
from sampler.dataset.index.arrays import IndexArrays, build_index
from sampler.dataset.index.combining import combine
from sampler.dataset.index.dataset_index import DatasetIndex
from sampler.dataset.index.storage import FORMAT, is_sound, remove_drafts, write_index
from sampler.dataset.index.subsets import select
from sampler.errors import AnnotationError, CacheError
from sampler.printable import path_text
from sampler.system_errors import explain


def ensure_index(
    annotations: Path | LoadedCoco | Sequence[Path],
    cache_dir: Path | None = None,
    report: Callable[[str], None] | None = None,
    subset: Path | None = None,
) -> Path:
    """Return the folder of the index of a dataset. Builds the index if it is missing or damaged.

    Any number of processes may call this at once.

    Args:
        annotations: The annotation file, or several that are combined into one dataset. Each file keeps its own index,
            from which that of the combination is made. Names of images then begin with the number of their file: "0/".
        cache_dir: The cache folder (default: the user's).
        report: Called with a description of each step.
        subset: A file of image ids. The dataset then has these images only.

    Raises:
        AnnotationError: An annotation file cannot be used, or the index cannot be written.
        ImageListError: The file of image ids cannot be used.
        CacheError: An index cannot be read for another reason than its content.
    """
    report = report or (lambda _: None)
    indexes = (cache_dir or default_cache_dir()) / "indexes"
    ids = None if subset is None else read_image_ids(subset)
    files = list(annotations) if isinstance(annotations, Sequence) else [annotations]
    try:
        folders = [_ensure_file(file, indexes, report) for file in files]
        folder = folders[0] if len(folders) == 1 else _ensure_combined(files, folders, report)
        return folder if subset is None or ids is None else _ensure_subset(folder, subset, ids, report)
    except OSError as error:
        raise CacheError(f"{indexes}: indexes cannot be read: {explain(error, indexes)}") from error


def _ensure_file(annotations: Path | LoadedCoco, indexes: Path, report: Callable[[str], None]) -> Path:
    report("reading the annotation file")
    with AnnotationFile.open(annotations, indexes) as file:
        return _find(file, indexes) or _find_or_build(file, indexes, report)


def _ensure_combined(
    files: Sequence[Path | LoadedCoco], folders: Sequence[Path], report: Callable[[str], None]
) -> Path:
    """Return the folder of the index that combines others."""

    def build() -> tuple[IndexArrays, LeftOut, tuple[str, ...]]:
        names = tuple(path_text(file) if isinstance(file, Path) else str(file) for file in files)
        return *combine([DatasetIndex(folder, mapped=False) for folder in folders], names), names

    return _ensure_derived(folders, ("combined",), build, report)


def _ensure_subset(folder: Path, file: Path, ids: Sequence[ImageId], report: Callable[[str], None]) -> Path:
    """Return the folder of the index of some images of another index."""

    def build() -> tuple[IndexArrays, LeftOut, tuple[str, ...]]:
        whole = DatasetIndex(folder, mapped=False)
        return *select(whole, ids, file), whole.sources

    return _ensure_derived([folder], ("subset", *sorted({str(one) for one in ids})), build, report)


def _ensure_derived(
    origins: Sequence[Path],
    recipe: Sequence[str],
    build: Callable[[], tuple[IndexArrays, LeftOut, tuple[str, ...]]],
    report: Callable[[str], None],
) -> Path:
    """Return the folder of an index that is made of others. Its name is the digest of their names and the recipe."""
    hasher = hashlib.blake2b(digest_size=16)
    for part in (*(origin.name for origin in origins), *recipe):
        encoded = part.encode(errors="surrogatepass")  # ids in a list may be anything
        hasher.update(f"{len(encoded)}:".encode() + encoded)
    folder = _folder(origins[0].parent, hasher.hexdigest())
    if is_sound(folder):
        return folder
    with _lock(folder.parent, folder):
        if not is_sound(folder):
            report("writing the index")
            write_index(folder, *build())
    return folder


def _find_or_build(file: AnnotationFile, indexes: Path, report: Callable[[str], None]) -> Path:
    with _lock(indexes, file.path):
        # Another process may have built it while this one waited.
        return _find(file, indexes) or _build(file, indexes, report)


def _find(file: AnnotationFile, indexes: Path) -> Path | None:
    """Return the folder of a sound index. Reads the annotation file only if there may be one."""
    digest = file.noted_digest()
    if digest is None:
        if not any(indexes.glob(f"*-v{FORMAT}")):
            return None
        digest = file.digest()
    folder = _folder(indexes, digest)
    if not is_sound(folder):
        return None
    file.note(digest)
    return folder


def _build(file: AnnotationFile, indexes: Path, report: Callable[[str], None]) -> Path:
    report("parsing the annotation file")
    annotations, digest = file.parse()
    index, left_out = build_index(annotations), annotations.left_out
    del annotations  # frees memory before the index is written
    report("writing the index")
    folder = _folder(indexes, digest)
    write_index(folder, index, left_out, (path_text(file.path),))
    file.note(digest)
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
        cause = f"index cannot be written to {indexes}: {explain(error, indexes)}"
        raise AnnotationError(annotations, "", cause) from error
