"""The command `verify`: check a whole dataset."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from sampler.atomic_write import atomic_write
from sampler.cache_folder import default_cache_dir
from sampler.cli.exit_status import FINDINGS
from sampler.cli.output import JsonOption, Output, QuietOption
from sampler.commands.options import (
    AnnotationsOption,
    CacheOption,
    ExamplesOption,
    FollowLinksOption,
    ImagesOption,
    MaxImagePixelsOption,
    SubsetOption,
)
from sampler.cpus import available_cpus
from sampler.dataset.dataset import Dataset, open_dataset
from sampler.dataset.images.decode import MAX_PIXELS, ReadOptions
from sampler.dataset.images.decoded_store.contents import find_folder
from sampler.dataset.images.presence import first_names
from sampler.dataset.verification.kinds import KINDS
from sampler.dataset.verification.report import Report, Tally
from sampler.dataset.verification.store import check_decoded_store
from sampler.dataset.verification.verify import check_annotations, check_images_and_report
from sampler.errors import SamplerError, StoreError
from sampler.printable import printable
from sampler.system_errors import explain


def verify(
    annotations: AnnotationsOption,
    images: ImagesOption,
    cache_dir: CacheOption = None,
    examples: ExamplesOption = 5,
    unusable: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Write the ids of all images that cannot be used into this file, as JSON."),
    ] = None,
    follow_links: FollowLinksOption = False,
    subset: SubsetOption = None,
    max_image_pixels: MaxImagePixelsOption = MAX_PIXELS,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Decode every image and check every box and id of a dataset, and show all findings.

    Faults are images that cannot be used and boxes that were dropped; then the exit status is 1. All other findings are
    notes: the data is used as it is.
    """
    output, tally = Output(as_json, quiet), Tally(examples)
    options = ReadOptions(max_image_pixels, follow_links=follow_links)
    with output.spinner() as step:
        dataset = open_dataset(annotations, images, cache_dir, step, options, subset)
        check_annotations(dataset, tally, annotations, step)
    store = _check_store(dataset, cache_dir or default_cache_dir(), tally, output)
    with output.progress_bar("reading images", len(dataset)) as advance:
        report = check_images_and_report(dataset, tally, advance=advance)
    if unusable is not None:
        _write_ids(unusable, [dataset.image_id(index) for index in report.unusable])
        if not quiet:
            written = f"{_number(len(report.unusable), 'unusable image')} to {printable(str(unusable))}"
            typer.echo(f"wrote the ids of {written}", err=True)
    _print_report(output, dataset, report)
    output.document(_document(dataset, report) | {"store": store})
    if not report.clean:
        raise typer.Exit(FINDINGS)


def _check_store(dataset: Dataset, cache_dir: Path, tally: Tally, output: Output) -> str:
    """Check the decoded store if there is one of these images and of this version.

    Returns:
        "checked", "absent", or "unusable" if servers do not use it either.
    """
    try:
        folder = find_folder(cache_dir, dataset.store_meta)
    except StoreError as error:
        typer.echo(f"the decoded store is not checked: {printable(str(error))}", err=True)
        return "unusable"
    if folder is None:
        return "absent"
    with output.progress_bar("checking the decoded store", len(dataset)) as advance:
        checked = check_decoded_store(dataset, folder, tally, available_cpus(), advance)
    return "checked" if checked else "unusable"


def _write_ids(file: Path, ids: list[int | str]) -> None:
    try:
        atomic_write(file, f"{json.dumps(ids)}\n".encode())
    except OSError as error:
        cause = explain(error, file.parent, "name a file in a folder that this user can write to")
        raise SamplerError(f"{file}: cannot be written: {cause}") from error


def _document(dataset: Dataset, report: Report) -> dict[str, Any]:
    findings = {
        kind: {
            "severity": "fault" if about.is_fault else "note",
            "count": report.counts[kind],
            "meaning": about.meaning,
            "remedy": about.remedy,
            "examples": [{"where": one.where, "what": one.what} for one in report.examples[kind]],
        }
        for kind, about in KINDS.items()
    }
    return {
        "dataset": dataset.digest,
        "images": report.images,
        "boxes": report.boxes,
        "unusable_images": len(report.unusable),
        "faults": report.faults,
        "notes": report.notes,
        "findings": findings,
    }


def _print_report(output: Output, dataset: Dataset, report: Report) -> None:
    found = {kind: about for kind, about in KINDS.items() if report.counts[kind]}
    title = f"{_number(report.images, 'image')}, {_number(report.boxes, 'box')}"
    table = Table("kind", "severity", "found", Column("meaning", max_width=60), title=title)
    for kind, about in found.items():
        table.add_row(kind, "fault" if about.is_fault else "note", f"{report.counts[kind]:,}", about.meaning)
    if found:
        output.table(table)
    else:
        output.line(title)
    for kind, about in found.items():
        examples = [f"{finding.where}: {finding.what}" for finding in report.examples[kind]]
        output.examples(kind, examples, report.counts[kind])
        output.examples(kind, [f"remedy: {about.remedy}"], 1)
    if report.counts["missing"] == report.images:
        output.line(_wrong_folder(dataset))
    output.line(f"{_number(report.faults, 'fault')}, {_number(report.notes, 'note')} in dataset {dataset.digest}")


def _number(count: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("x") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}" if count else f"no {plural}"


def _wrong_folder(dataset: Dataset) -> str:
    """Return a hint for a dataset without any image: what the folder has instead."""
    found = first_names(dataset.images)
    return (
        f"no image was found: {dataset.images.identity} contains {found}; the annotations name "
        f"{dataset.file_name(0)}. Set --images to the folder of these annotations"
    )
