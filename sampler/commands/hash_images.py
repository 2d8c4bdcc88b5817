"""`index --hash-images`: record a hash of every image file, and show what has changed since the last time."""

import time
from collections import Counter
from pathlib import Path
from typing import Any

from rich.filesize import decimal

from sampler.cache_folder import default_cache_dir
from sampler.cli.output import Output, errors_by_kind
from sampler.cpus import available_cpus
from sampler.dataset.images.hashes import ImageHashes, find_hashes, hash_images, hashes_file, write_hashes
from sampler.dataset.images.source import ImageSource
from sampler.dataset.index.dataset_index import DatasetIndex
from sampler.errors import HashError


def record_hashes(
    opened: DatasetIndex, source: ImageSource, cache_dir: Path | None, examples: int, output: Output
) -> dict[str, Any]:
    """Hash every image file and record the hashes. Print a summary, and return it for JSON."""
    started = time.perf_counter()
    file = hashes_file(cache_dir or default_cache_dir(), opened.digest, source)
    older = _older_hashes(file, len(opened), output)
    nbytes = 0
    with output.progress_bar("hashing images", len(opened)) as advance:

        def count(length: int) -> None:
            nonlocal nbytes
            nbytes += length
            advance(length)

        hashes, errors = hash_images(opened, source, available_cpus(), count)
    write_hashes(file, hashes)
    changed = [] if older is None else hashes.changed_from(older).tolist()
    names = [source.describe(opened.file_name(index)) for index in changed[:examples]]
    seconds = time.perf_counter() - started
    kinds = Counter(error.kind for error in errors).most_common()
    output.facts("image hashes", [
        ("images", f"{len(opened) - len(errors):,} ({decimal(nbytes)})"),
        *((f"  {kind}", f"{number:,}") for kind, number in kinds),
        ("pixels digest", hashes.digest),
        *_comparison(hashes, older, len(changed)),
        ("file", file),
        ("time", f"{seconds:.2f} s"),
    ])  # fmt: skip
    output.examples("changed", names, len(changed))
    output.errors(errors, examples)
    return {
        "images": len(opened) - len(errors),
        "bytes": nbytes,
        "errors": errors_by_kind(errors, examples),
        "pixels_digest": hashes.digest,
        "recorded_before": None if older is None else older.digest,
        "changed": {"count": len(changed), "examples": names},
        "file": str(file),
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
