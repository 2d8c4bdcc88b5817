"""The command `index`: build or find the index of a dataset."""

import time
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from sampler.cache_folder import default_cache_dir
from sampler.cli.exit_status import FINDINGS
from sampler.cli.output import JsonOption, Output, QuietOption
from sampler.commands.hash_images import record_hashes
from sampler.commands.options import (
    AnnotationsOption,
    CacheOption,
    ExamplesOption,
    FollowLinksOption,
    OptionalImagesOption,
    SubsetOption,
)
from sampler.dataset.dataset import image_folders, open_source
from sampler.dataset.images.decode import ReadOptions
from sampler.dataset.images.hashes import find_hashes, hashes_file
from sampler.dataset.images.source import ImageSource
from sampler.dataset.index.cache import ensure_index
from sampler.dataset.index.dataset_index import DatasetIndex


def index(
    annotations: AnnotationsOption,
    images: OptionalImagesOption,
    subset: SubsetOption = None,
    cache_dir: CacheOption = None,
    hash_images: Annotated[
        bool, typer.Option("--hash-images", help="Record a hash of every image file, to notice other files later.")
    ] = False,
    examples: ExamplesOption = 5,
    follow_links: FollowLinksOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Build the index of a dataset, or find an existing one, and show its contents.

    With --hash-images, exit status 1 if some images cannot be read.
    """
    started = time.perf_counter()
    if hash_images and not images:
        raise typer.BadParameter(
            "set --images (SAMPLER_IMAGES) to the folder of the images", param_hint="--hash-images"
        )
    output = Output(as_json, quiet)
    source = _source(len(annotations), images, follow_links) if images else None
    with output.spinner() as report:
        folder = ensure_index(annotations, cache_dir, report, subset)
    opened = DatasetIndex(folder)
    seconds = time.perf_counter() - started
    document = _document(opened, seconds) | {"pixels_digest": _recorded(opened, source, cache_dir)}
    hashes = None
    if hash_images and source is not None:
        _print_index(output, opened, seconds, None)
        hashes = record_hashes(opened, source, cache_dir, examples, output)
        document |= {"pixels_digest": hashes["pixels_digest"], "image_hashes": hashes}
    else:
        _print_index(output, opened, seconds, document["pixels_digest"])
    output.document(document)
    if hashes is not None and hashes["errors"]:
        raise typer.Exit(FINDINGS)


def _recorded(opened: DatasetIndex, source: ImageSource | None, cache_dir: Path | None) -> str | None:
    """Return the pixels digest if hashes of the images were recorded before."""
    if source is None:
        return None
    hashes = find_hashes(hashes_file(cache_dir or default_cache_dir(), opened.digest, source), len(opened))
    return None if hashes is None else hashes.digest


def _source(annotation_files: int, images: list[str], follow_links: bool) -> ImageSource:
    """Return the images as a server has them, whose hashes are found by the identity of their source."""
    return open_source(image_folders(annotation_files, images), ReadOptions(follow_links=follow_links))


def _document(opened: DatasetIndex, seconds: float) -> dict[str, Any]:
    return {
        "images": len(opened),
        "boxes": opened.box_count,
        "crowd_boxes": opened.crowd_count,
        "categories": opened.category_count,
        "images_without_boxes": opened.boxless_count,
        "dropped_boxes": dict(Counter(box.reason for box in opened.rejected).most_common()),
        "boxes_of_unlisted_images": opened.unlisted_count,
        "digest": opened.digest,
        "folder": str(opened.index_dir),
        "seconds": round(seconds, 3),
    }


def _print_index(output: Output, opened: DatasetIndex, seconds: float, pixels: str | None) -> None:
    reasons = Counter(box.reason for box in opened.rejected).most_common()
    output.facts("index", [
        ("images", f"{len(opened):,}"),
        ("boxes", f"{opened.box_count:,}"),
        ("crowd boxes among them", f"{opened.crowd_count:,}"),
        ("categories", f"{opened.category_count:,}"),
        ("images without boxes", f"{opened.boxless_count:,}"),
        ("dropped boxes", f"{opened.dropped_count:,}"),
        *((f"  {reason}", f"{count:,}") for reason, count in reasons),
        ("boxes of unlisted images", f"{opened.unlisted_count:,}"),
        ("digest", opened.digest),
        *([] if pixels is None else [("pixels digest", pixels)]),
        ("folder", opened.index_dir),
        ("time", f"{seconds:.2f} s"),
    ])  # fmt: skip
