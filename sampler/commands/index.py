"""The command `index`: build or find the index of a dataset."""

import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from sampler.cache_folder import default_cache_dir
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
from sampler.printable import printable
from sampler.progress import spinner


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
) -> None:
    """Build the index of a dataset, or find an existing one, and show its contents.

    With --hash-images, exit status 1 if some images cannot be read.
    """
    started = time.perf_counter()
    if hash_images and not images:
        raise typer.BadParameter(
            "set --images (SAMPLER_IMAGES) to the folder of the images", param_hint="--hash-images"
        )
    source = _source(len(annotations), images, follow_links) if images else None
    with spinner() as report:
        folder = ensure_index(annotations, cache_dir, report, subset)
    opened = DatasetIndex(folder)
    _print_index(opened, time.perf_counter() - started, None if hash_images else _recorded(opened, source, cache_dir))
    if hash_images and source is not None and not record_hashes(opened, source, cache_dir, examples):
        raise typer.Exit(1)


def _recorded(opened: DatasetIndex, source: ImageSource | None, cache_dir: Path | None) -> str | None:
    """Return the pixels digest if hashes of the images were recorded before."""
    if source is None:
        return None
    hashes = find_hashes(hashes_file(cache_dir or default_cache_dir(), opened.digest, source), len(opened))
    return None if hashes is None else hashes.digest


def _source(annotation_files: int, images: list[str], follow_links: bool) -> ImageSource:
    """Return the images as a server has them, whose hashes are found by the identity of their source."""
    return open_source(image_folders(annotation_files, images), ReadOptions(follow_links=follow_links))


def _print_index(opened: DatasetIndex, seconds: float, pixels: str | None) -> None:
    table = Table("index", Column(overflow="fold"), show_header=False)
    table.add_row("images", f"{len(opened):,}")
    table.add_row("boxes", f"{opened.box_count:,}")
    table.add_row("crowd boxes among them", f"{opened.crowd_count:,}")
    table.add_row("categories", f"{opened.category_count:,}")
    table.add_row("images without boxes", f"{opened.boxless_count:,}")
    table.add_row("dropped boxes", f"{opened.dropped_count:,}")
    for reason, count in Counter(box.reason for box in opened.rejected).most_common():
        table.add_row(f"  {reason}", f"{count:,}")
    table.add_row("boxes of unlisted images", f"{opened.unlisted_count:,}")
    table.add_row("digest", opened.digest)
    if pixels is not None:
        table.add_row("pixels digest", pixels)
    table.add_row("folder", escape(printable(str(opened.index_dir))))
    table.add_row("time", f"{seconds:.2f} s")
    Console(highlight=False).print(table)
