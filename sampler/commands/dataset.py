"""The commands about datasets: `index` builds or finds an index, `verify` reads everything and lists what is wrong."""

import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from sampler.commands.options import AnnotationsOption, CacheOption, ImagesOption
from sampler.dataset.dataset import Dataset, check_images, open_dataset
from sampler.dataset.index.cache import ensure_index
from sampler.dataset.index.storage import load_index
from sampler.dataset.verify import KINDS, Report, verify_dataset
from sampler.progress import bar, steps


def index(
    annotations: AnnotationsOption,
    images: Annotated[
        Path | None, typer.Option(envvar="SAMPLER_IMAGES", help="Image folder, if it shall be looked for.")
    ] = None,
    cache_dir: CacheOption = None,
) -> None:
    """Build the index of an annotation file, or find the one that is there, and show what it holds."""
    started = time.perf_counter()
    if images is not None:
        check_images(images)
    with steps(show=True) as report:
        folder = ensure_index(annotations, cache_dir, report)
    _print_index(folder, time.perf_counter() - started)


def verify(
    annotations: AnnotationsOption,
    images: ImagesOption,
    cache_dir: CacheOption = None,
    examples: Annotated[int, typer.Option(min=0, help="How many examples of each kind to show.")] = 5,
) -> None:
    """Read every image and box of a dataset, and show what is wrong. Exit status 1 if anything is."""
    dataset = open_dataset(annotations, images, cache_dir, progress=True)
    with bar("reading images", len(dataset), show=True) as advance:
        report = verify_dataset(dataset, examples, advance=advance)
    _print_report(dataset, report)
    if not report.clean:
        raise typer.Exit(1)


def _print_index(folder: Path, seconds: float) -> None:
    content = load_index(folder)
    table = Table("index", Column(overflow="fold"), show_header=False)
    table.add_row("images", f"{len(content.image_ids):,}")
    table.add_row("boxes", f"{len(content.boxes):,}")
    table.add_row("crowd boxes among them", f"{int(content.crowd.sum()):,}")
    table.add_row("categories", f"{len(content.category_ids):,}")
    table.add_row("dropped boxes", f"{len(content.rejected):,}")
    for reason, count in Counter(box.reason for box in content.rejected).most_common():
        table.add_row(f"  {reason}", f"{count:,}")
    table.add_row("digest", content.digest)
    table.add_row("folder", escape(str(folder)))
    table.add_row("time", f"{seconds:.2f} s")
    _console().print(table)


def _print_report(dataset: Dataset, report: Report) -> None:
    table = Table("kind", "found", "what it means", title=f"{report.images:,} images, {report.boxes:,} boxes")
    for kind, meaning in KINDS.items():
        table.add_row(kind, f"{report.counts[kind]:,}", meaning)
    console = _console()
    console.print(table)
    for kind, findings in report.examples.items():
        for finding in findings:
            console.print(f"[bold]{kind}[/bold] {escape(finding.where)}: {escape(finding.what)}", soft_wrap=True)
        if report.counts[kind] > len(findings) > 0:
            console.print(f"[bold]{kind}[/bold] … and {report.counts[kind] - len(findings):,} more")
    if report.counts["missing"] == report.images:
        console.print(f"no image was found: is {escape(str(dataset.images_dir))} the folder of this annotation file?")
    verdict = "nothing is wrong" if report.clean else f"{sum(report.counts.values()):,} things are wrong"
    console.print(f"{verdict} in dataset {dataset.digest}")


def _console() -> Console:
    return Console(highlight=False)
