"""The commands `index`, which builds or finds the index of a dataset, and `verify`, which checks a whole dataset."""

import time
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from sampler.commands.hash_images import record_hashes
from sampler.commands.options import AnnotationsOption, CacheOption, ExamplesOption, ImagesOption
from sampler.dataset.dataset import Dataset, open_dataset, open_source
from sampler.dataset.index.cache import ensure_index
from sampler.dataset.index.dataset_index import DatasetIndex
from sampler.dataset.verify import KINDS, Report, verify_dataset
from sampler.progress import progress_bar, spinner


def index(
    annotations: AnnotationsOption,
    images: Annotated[
        Path | None, typer.Option(envvar="SAMPLER_IMAGES", help="Image folder, to check that it exists.")
    ] = None,
    cache_dir: CacheOption = None,
    hash_images: Annotated[
        bool, typer.Option("--hash-images", help="Record a hash of every image file, to notice other files later.")
    ] = False,
    examples: ExamplesOption = 5,
) -> None:
    """Build the index of an annotation file, or find an existing one, and show its contents.

    With --hash-images, exit status 1 if some images cannot be read.
    """
    started = time.perf_counter()
    if hash_images and images is None:
        raise typer.BadParameter(
            "set --images (SAMPLER_IMAGES) to the folder of the images", param_hint="--hash-images"
        )
    source = None if images is None else open_source(images)
    with spinner() as report:
        folder = ensure_index(annotations, cache_dir, report)
    opened = DatasetIndex(folder)
    _print_index(opened, time.perf_counter() - started)
    if hash_images and source is not None and not record_hashes(opened, source, cache_dir, examples):
        raise typer.Exit(1)


def verify(
    annotations: AnnotationsOption,
    images: ImagesOption,
    cache_dir: CacheOption = None,
    examples: ExamplesOption = 5,
) -> None:
    """Decode every image and check every box of a dataset, and show all faults. Exit status 1 if there are any."""
    with spinner() as step:
        dataset = open_dataset(annotations, images, cache_dir, step)
    with progress_bar("reading images", len(dataset)) as advance:
        report = verify_dataset(dataset, examples, advance=advance)
    _print_report(dataset, report)
    if not report.clean:
        raise typer.Exit(1)


def _print_index(opened: DatasetIndex, seconds: float) -> None:
    rejected = opened.rejected
    table = Table("index", Column(overflow="fold"), show_header=False)
    table.add_row("images", f"{len(opened):,}")
    table.add_row("boxes", f"{opened.box_count:,}")
    table.add_row("crowd boxes among them", f"{opened.crowd_count:,}")
    table.add_row("categories", f"{opened.category_count:,}")
    table.add_row("dropped boxes", f"{len(rejected):,}")
    for reason, count in Counter(box.reason for box in rejected).most_common():
        table.add_row(f"  {reason}", f"{count:,}")
    table.add_row("digest", opened.digest)
    table.add_row("folder", escape(str(opened.index_dir)))
    table.add_row("time", f"{seconds:.2f} s")
    Console(highlight=False).print(table)


def _print_report(dataset: Dataset, report: Report) -> None:
    table = Table("kind", "found", "meaning", title=f"{report.images:,} images, {report.boxes:,} boxes")
    for kind, meaning in KINDS.items():
        table.add_row(kind, f"{report.counts[kind]:,}", meaning)
    console = Console(highlight=False)
    console.print(table)
    for kind, findings in report.examples.items():
        for finding in findings:
            console.print(f"[bold]{kind}[/bold] {escape(finding.where)}: {escape(finding.what)}", soft_wrap=True)
        if report.counts[kind] > len(findings) > 0:
            console.print(f"[bold]{kind}[/bold] … and {report.counts[kind] - len(findings):,} more")
    if report.counts["missing"] == report.images:
        console.print(escape(_wrong_folder(dataset)), soft_wrap=True)
    verdict = "no faults" if report.clean else f"{sum(report.counts.values()):,} faults"
    console.print(f"{verdict} in dataset {dataset.digest}")


def _wrong_folder(dataset: Dataset) -> str:
    """Return a hint for a dataset without any image: what the folder has instead."""
    found = ", ".join(islice(dataset.images.names(), 3)) or "nothing"
    return (
        f"no image was found: {dataset.images.identity} contains {found}; the annotations name "
        f"{dataset.file_name(0)}. Set --images to the folder of these annotations"
    )
