"""`decode --entry-points`: record where decoding can begin in all JPEG files, instead of decoding them into a store."""

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Column, Table

from sampler.cli.exit_status import INTERRUPTED
from sampler.commands.examples import print_errors
from sampler.dataset.dataset import Dataset
from sampler.dataset.images.entry_points.recording import RecordedImage, record_images
from sampler.dataset.images.entry_points.records import EntryPointRecords, records_file
from sampler.errors import CacheError, ImageError
from sampler.kernels.selection import warm_up
from sampler.printable import printable
from sampler.progress import progress_bar, spinner
from sampler.system_errors import explain


@dataclass(slots=True)
class Summary:
    """What became of the images."""

    new: int = 0
    recorded: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    errors: list[ImageError] = field(default_factory=list)

    def add(self, image: RecordedImage) -> None:
        """Count an image."""
        self.new += image.is_new
        if image.error is not None:
            self.errors.append(image.error)
        elif image.reason:
            self.reasons[image.reason] += 1
        else:
            self.recorded += 1


def record_entry_points(dataset: Dataset, cache_dir: Path, jobs: int, force: bool, examples: int) -> bool:
    """Record the entry points of all images. Print a summary. Return whether every image can be decoded.

    Raises CacheError if a record cannot be written.
    """
    began = time.perf_counter()
    file = records_file(cache_dir, dataset.digest, dataset.images)
    summary = Summary()
    try:
        records = EntryPointRecords.open(file)
        if records.unwritable is not None:
            raise records.unwritable
        _run(dataset, records, cache_dir, jobs, force, summary)
    except OSError as error:
        cause = f"cannot be written: {explain(error, file)}; images recorded so far are kept"
        raise CacheError(f"{printable(str(file))}: {cause}") from error
    console = Console(highlight=False)
    _print_summary(console, dataset, records, summary, time.perf_counter() - began)
    print_errors(console, summary.errors, examples)
    if any(error.kind == "damaged" for error in summary.errors):
        line = "images are decoded whole by servers, which serve or refuse them (SAMPLER_DAMAGED)"
        console.print(f"[bold]damaged[/bold] {line}", soft_wrap=True)
    return not summary.errors


def _run(
    dataset: Dataset, records: EntryPointRecords, cache_dir: Path, jobs: int, force: bool, summary: Summary
) -> None:
    try:
        with spinner() as report:
            warm_up(cache_dir / "kernels", lambda: report("compiling the kernels, which takes up to a minute"))
        with progress_bar("recording", len(dataset)) as advance:
            for image in record_images(dataset, records, jobs, force=force):
                summary.add(image)
                advance(image.nbytes)
    except KeyboardInterrupt:
        line = f"interrupted: {summary.new:,} images were recorded; run the same command to resume"
        typer.echo(line, err=True)
        raise typer.Exit(INTERRUPTED) from None


def _print_summary(
    console: Console, dataset: Dataset, records: EntryPointRecords, summary: Summary, seconds: float
) -> None:
    table = Table("entry points", Column(overflow="fold"), show_header=False)
    table.add_row("images", f"{len(dataset):,}")
    table.add_row("recorded now", f"{summary.new:,}")
    table.add_row("with entry points", f"{summary.recorded:,}")
    table.add_row("without entry points", f"{summary.reasons.total():,}")
    for reason, count in summary.reasons.most_common():
        table.add_row(f"  {escape(printable(reason))}", f"{count:,}")
    table.add_row("not decodable", f"{len(summary.errors):,}")
    for kind, count in Counter(error.kind for error in summary.errors).most_common():
        table.add_row(f"  {kind}", f"{count:,}")
    table.add_row("size on disk", decimal(records.disk_bytes))
    table.add_row("dataset", dataset.digest)
    table.add_row("file", escape(printable(str(records.file))))
    table.add_row("time", f"{seconds:.2f} s")
    console.print(table)
