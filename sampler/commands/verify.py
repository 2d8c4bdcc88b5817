"""The command `verify`: check a whole dataset."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sampler.atomic_write import atomic_write
from sampler.cache_folder import default_cache_dir
from sampler.commands.examples import print_examples
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
from sampler.progress import progress_bar, spinner
from sampler.system_errors import explain


def verify(
    annotations: AnnotationsOption,
    images: ImagesOption,
    cache_dir: CacheOption = None,
    examples: ExamplesOption = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    unusable: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Write the ids of all images that cannot be used into this file, as JSON."),
    ] = None,
    follow_links: FollowLinksOption = False,
    subset: SubsetOption = None,
    max_image_pixels: MaxImagePixelsOption = MAX_PIXELS,
) -> None:
    """Decode every image and check every box and id of a dataset, and show all findings.

    Faults are images that cannot be used and boxes that were dropped; then the exit status is 1. All other findings are
    notes: the data is used as it is.
    """
    tally, options = Tally(examples), ReadOptions(max_image_pixels, follow_links=follow_links)
    with spinner() as step:
        dataset = open_dataset(annotations, images, cache_dir, step, options, subset)
        check_annotations(dataset, tally, annotations, step)
    _check_store(dataset, cache_dir or default_cache_dir(), tally)
    with progress_bar("reading images", len(dataset)) as advance:
        report = check_images_and_report(dataset, tally, advance=advance)
    if unusable is not None:
        _write_ids(unusable, [dataset.image_id(index) for index in report.unusable])
    if as_json:
        typer.echo(json.dumps(_document(dataset, report), indent=1))
    else:
        _print_report(dataset, report)
    if not report.clean:
        raise typer.Exit(1)


def _check_store(dataset: Dataset, cache_dir: Path, tally: Tally) -> None:
    """Check the decoded store if there is one of these images and of this version."""
    try:
        folder = find_folder(cache_dir, dataset.store_meta)
    except StoreError as error:
        typer.echo(f"the decoded store is not checked: {printable(str(error))}", err=True)
        return
    if folder is not None:
        with progress_bar("checking the decoded store", len(dataset)) as advance:
            check_decoded_store(dataset, folder, tally, available_cpus(), advance)


def _write_ids(file: Path, ids: list[int | str]) -> None:
    try:
        atomic_write(file, f"{json.dumps(ids)}\n".encode())
    except OSError as error:
        cause = explain(error, file.parent, "name a file in a folder that this user can write to")
        raise SamplerError(f"{file}: cannot be written: {cause}") from error
    typer.echo(f"wrote the ids of {_number(len(ids), 'unusable image')} to {printable(str(file))}", err=True)


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


def _print_report(dataset: Dataset, report: Report) -> None:
    console = Console(highlight=False)
    found = {kind: about for kind, about in KINDS.items() if report.counts[kind]}
    title = f"{_number(report.images, 'image')}, {_number(report.boxes, 'box')}"
    table = Table("kind", "severity", "found", "meaning", title=title)
    for kind, about in found.items():
        table.add_row(kind, "fault" if about.is_fault else "note", f"{report.counts[kind]:,}", about.meaning)
    console.print(table if found else title)
    for kind, about in found.items():
        examples = [f"{finding.where}: {finding.what}" for finding in report.examples[kind]]
        print_examples(console, kind, examples, report.counts[kind])
        console.print(f"[bold]{kind}[/bold] remedy: {escape(about.remedy)}", soft_wrap=True)
    if report.counts["missing"] == report.images:
        console.print(escape(printable(_wrong_folder(dataset))), soft_wrap=True)
    console.print(f"{_number(report.faults, 'fault')}, {_number(report.notes, 'note')} in dataset {dataset.digest}")


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
