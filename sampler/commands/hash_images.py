"""`index --hash-images`: record a hash of every image file, and show what has changed since the last time."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.filesize import decimal

from sampler.cache_folder import default_cache_dir
from sampler.cli.output import Output, errors_by_kind
from sampler.cpus import available_cpus
from sampler.dataset.images.hashes import ImageHashes, find_hashes, hash_images, hashes_file, write_hashes
from sampler.dataset.images.source import ImageSource
from sampler.dataset.index.dataset_index import DatasetIndex
from sampler.errors import HashError, ImageError


def record_hashes(
    opened: DatasetIndex, source: ImageSource, cache_dir: Path | None, examples: int, output: Output
) -> dict[str, Any]:
    """Hash every image file and record the hashes. Print a summary, and return it for JSON."""
    started = time.perf_counter()
    file = hashes_file(cache_dir or default_cache_dir(), opened.digest, source)
    older = _older_hashes(file, len(opened), output)
    hashes, errors, nbytes = _hash(opened, source, output)
    write_hashes(file, hashes)
    changed = [] if older is None else hashes.changed_from(older).tolist()
    names = [source.describe(opened.file_name(index)) for index in changed[:examples]]
    recorded = _Recorded(file, hashes, older, errors, nbytes, len(opened) - len(errors), names, len(changed))
    seconds = time.perf_counter() - started
    _print(recorded, seconds, examples, output)
    return _document(recorded, seconds, examples)


@dataclass(frozen=True, slots=True)
class _Recorded:
    """What was recorded.

    Attributes:
        file: Holds the hashes.
        older: The hashes that it held before, if any.
        errors: Of images that cannot be read.
        nbytes: Of all files that were read.
        images: Number of images that were hashed.
        changed: Names of some files that have changed.
        changed_count: Number of all of them.
    """

    file: Path
    hashes: ImageHashes
    older: ImageHashes | None
    errors: Sequence[ImageError]
    nbytes: int
    images: int
    changed: list[str]
    changed_count: int


def _hash(opened: DatasetIndex, source: ImageSource, output: Output) -> tuple[ImageHashes, list[ImageError], int]:
    """Return the hashes, the errors, and the bytes that were read."""
    nbytes = 0
    with output.progress_bar("hashing images", len(opened)) as advance:

        def count(length: int) -> None:
            nonlocal nbytes
            nbytes += length
            advance(length)

        hashes, errors = hash_images(opened, source, available_cpus(), count)
    return hashes, errors, nbytes


def _print(recorded: _Recorded, seconds: float, examples: int, output: Output) -> None:
    kinds = Counter(error.kind for error in recorded.errors).most_common()
    output.facts("image hashes", [
        ("images", f"{recorded.images:,} ({decimal(recorded.nbytes)})"),
        *((f"  {kind}", f"{number:,}") for kind, number in kinds),
        ("pixels digest", recorded.hashes.digest),
        *_comparison(recorded.hashes, recorded.older, recorded.changed_count),
        ("file", recorded.file),
        ("time", f"{seconds:.2f} s"),
    ])  # fmt: skip
    output.examples("changed", recorded.changed, recorded.changed_count)
    output.errors(recorded.errors, examples)


def _document(recorded: _Recorded, seconds: float, examples: int) -> dict[str, Any]:
    return {
        "images": recorded.images,
        "bytes": recorded.nbytes,
        "errors": errors_by_kind(recorded.errors, examples),
        "pixels_digest": recorded.hashes.digest,
        "recorded_before": None if recorded.older is None else recorded.older.digest,
        "changed": {"count": recorded.changed_count, "examples": recorded.changed},
        "file": str(recorded.file),
        "seconds": round(seconds, 3),
    }


def _older_hashes(file: Path, images: int, output: Output) -> ImageHashes | None:
    try:
        return find_hashes(file, images)
    except HashError as error:
        output.line(f"the hashes recorded before are damaged and are replaced: {error.cause}")
        return None


def _comparison(hashes: ImageHashes, older: ImageHashes | None, changed: int) -> list[tuple[str, str]]:
    if older is None:
        return [("recorded before", "no")]
    if hashes.digest == older.digest:
        return [("recorded before", "yes, no file has changed")]
    return [("recorded before", f"yes, as {older.digest}"), ("changed files", f"{changed:,}")]
