"""`decode --entry-points`: record where decoding can begin in all JPEG files, instead of decoding them into a store."""

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer
from rich.filesize import decimal

from sampler.cli.exit_status import INTERRUPTED
from sampler.cli.output import Output, errors_by_kind
from sampler.dataset.dataset import Dataset
from sampler.dataset.images.entry_points.records import EntryPointRecords, records_file
from sampler.dataset.preparation.entry_points import RecordedImage, record_images
from sampler.errors import CacheError, ImageError
from sampler.kernels.selection import warm_up
from sampler.printable import printable
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


def record_entry_points(
    dataset: Dataset, cache_dir: Path, jobs: int, force: bool, examples: int, output: Output
) -> bool:
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
        _run(dataset, records, cache_dir, jobs, force, summary, output)
    except OSError as error:
        cause = f"cannot be written: {explain(error, file)}; images recorded so far are kept"
        raise CacheError(f"{printable(str(file))}: {cause}") from error
    document = _document(dataset, records, summary, examples) | {"seconds": round(time.perf_counter() - began, 3)}
    _print_summary(output, document)
    output.errors(summary.errors, examples)
    if any(error.kind == "damaged" for error in summary.errors):
        line = "images are decoded whole by servers, which serve or refuse them (SAMPLER_DAMAGED)"
        output.examples("damaged", [line], 1)
    output.document(document)
    return not summary.errors


def _run(
    dataset: Dataset,
    records: EntryPointRecords,
    cache_dir: Path,
    jobs: int,
    force: bool,
    summary: Summary,
    output: Output,
) -> None:
    try:
        with output.spinner() as report:
            warm_up(cache_dir / "kernels", lambda: report("compiling the kernels, which takes up to a minute"))
        with output.progress_bar("recording", len(dataset)) as advance:
            for image in record_images(dataset, records, jobs, force=force):
                summary.add(image)
                advance(image.nbytes)
    except KeyboardInterrupt:
        line = f"interrupted: {summary.new:,} images were recorded; run the same command to resume"
        typer.echo(line, err=True)
        raise typer.Exit(INTERRUPTED) from None


def _document(dataset: Dataset, records: EntryPointRecords, summary: Summary, examples: int) -> dict[str, Any]:
    return {
        "images": len(dataset),
        "recorded_now": summary.new,
        "with_entry_points": summary.recorded,
        "without_entry_points": dict(summary.reasons.most_common()),
        "not_decodable": len(summary.errors),
        "errors": errors_by_kind(summary.errors, examples),
        "bytes": records.disk_bytes,
        "dataset": dataset.digest,
        "file": str(records.file),
    }


def _print_summary(output: Output, document: dict[str, Any]) -> None:
    reasons = document["without_entry_points"]
    output.facts("entry points", [
        ("images", f"{document['images']:,}"),
        ("recorded now", f"{document['recorded_now']:,}"),
        ("with entry points", f"{document['with_entry_points']:,}"),
        ("without entry points", f"{sum(reasons.values()):,}"),
        *((f"  {reason}", f"{count:,}") for reason, count in reasons.items()),
        ("not decodable", f"{document['not_decodable']:,}"),
        *((f"  {kind}", f"{entry['count']:,}") for kind, entry in document["errors"].items()),
        ("size on disk", decimal(document["bytes"])),
        ("dataset", document["dataset"]),
        ("file", document["file"]),
        ("time", f"{document['seconds']:.2f} s"),
    ])  # fmt: skip
