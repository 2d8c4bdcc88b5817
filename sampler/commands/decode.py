"""The command `decode`: decode all images of a dataset once, into a file that servers map into memory."""

import shutil
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.filesize import decimal

from sampler.cache_folder import default_cache_dir
from sampler.cli.exit_status import FINDINGS, INTERRUPTED
from sampler.cli.output import JsonOption, Output, QuietOption, errors_by_kind
from sampler.commands.entry_points import record_entry_points
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
from sampler.dataset.images.stamps import ImageStamps, stamps_file
from sampler.dataset.preparation.store_writer import StoreWriter, open_writer
from sampler.errors import CacheError, ImageError, StoreError
from sampler.printable import printable
from sampler.system_errors import explain

_DAMAGED = "images are not in the store; servers read their files, and serve or refuse them (SAMPLER_DAMAGED)"


def decode(
    annotations: AnnotationsOption,
    images: ImagesOption,
    cache_dir: CacheOption = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Images decoded at once (default: one per CPU).")] = None,
    force: Annotated[bool, typer.Option("--force", help="Decode all images again.")] = False,
    entry_points: Annotated[
        bool,
        typer.Option(
            "--entry-points",
            help="Do not store decoded images; record only where decoding can begin in JPEG files, 8 kB an image. "
            "Servers then decode only the part that a crop needs. They also record this themselves, when they first "
            "decode an image.",
        ),
    ] = False,
    examples: ExamplesOption = 5,
    follow_links: FollowLinksOption = False,
    subset: SubsetOption = None,
    max_image_pixels: MaxImagePixelsOption = MAX_PIXELS,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Decode all images into one file that servers map into memory. Samples are then cut from it.

    If interrupted, the next run resumes where it stopped. It also checks all stored pixels, and decodes images again
    that are damaged in the store or whose files have changed; a changed object in storage is an error unless hashes are
    recorded anew. Exit status 1 if some images cannot be decoded: they are
    left out, and servers report them as before.

    With --entry-points, images are decoded once but not stored. If interrupted, the next run resumes where it stopped.
    """
    output, options = Output(as_json, quiet), ReadOptions(max_image_pixels, follow_links=follow_links)
    with output.spinner() as report:
        dataset = open_dataset(annotations, images, cache_dir, report, options, subset)
    threads, folder = jobs or available_cpus(), cache_dir or default_cache_dir()
    dataset.stamps = _open_stamps(dataset, folder)
    record = record_entry_points if entry_points else _write_store
    if not record(dataset, folder, threads, force, examples, output):
        raise typer.Exit(FINDINGS)


def _write_store(dataset: Dataset, cache_dir: Path, jobs: int, force: bool, examples: int, output: Output) -> bool:
    """Decode all images. Print a summary. Return whether every image can be decoded."""
    began = time.perf_counter()
    with ExitStack() as stack:
        writer = stack.enter_context(open_writer(dataset, cache_dir, force, jobs, output.progress_bar))
        _print_broken(output, dataset, writer, examples)
        _check_space(writer, output)
        errors = _run(writer, len(dataset), jobs, output)
        document = _document(dataset, writer, errors, examples) | {"seconds": round(time.perf_counter() - began, 3)}
    _print_store(output, document)
    output.errors(errors, examples)
    if any(error.kind == "damaged" for error in errors):
        output.examples("damaged", [_DAMAGED], 1)
    output.document(document)
    return not errors


def _open_stamps(dataset: Dataset, cache_dir: Path) -> ImageStamps | None:
    """Return the recorded states of objects in storage: `decode` must not use objects that servers refuse."""
    if not dataset.images.is_remote or dataset.hashes is not None:
        return None
    file = stamps_file(cache_dir, dataset.digest, dataset.images)
    try:
        return ImageStamps.open(file)
    except OSError as error:
        raise CacheError(f"{printable(str(file))}: cannot be opened: {explain(error, file)}") from error


def _print_broken(output: Output, dataset: Dataset, writer: StoreWriter, examples: int) -> None:
    broken = writer.broken.tolist()
    files = [dataset.images.describe(dataset.file_name(index)) for index in broken[:examples]]
    output.examples("store-damaged", [f"the stored pixels of {file}" for file in files], len(broken))


def _check_space(writer: StoreWriter, output: Output) -> None:
    """Print how much will be written. Raises StoreError if there is not enough disk space."""
    if not len(writer.todo):
        output.line("all images are decoded already")
        return
    space = shutil.disk_usage(writer.folder).free
    needed, free = decimal(writer.needed), decimal(space)
    if writer.needed > space:
        cause = f"{needed} needed, {free} free; make space or set another cache folder (SAMPLER_CACHE_DIR)"
        raise StoreError(writer.folder, cause)
    counts = {"whose files have changed": len(writer.changed), "damaged in the store": len(writer.broken)}
    causes = ", ".join(f"{count:,} {cause}" for cause, count in counts.items() if count)
    again = f" ({causes})" if causes else ""
    line = f"images to decode: {len(writer.todo):,}{again}: {needed}; {free} free in {writer.folder}"
    output.line(line)


def _run(writer: StoreWriter, total: int, jobs: int, output: Output) -> list[ImageError]:
    if not len(writer.todo):
        return []
    try:
        with output.progress_bar("decoding", total, completed=total - len(writer.todo)) as advance:
            return writer.run(jobs, lambda image: advance(image.nbytes))
    except KeyboardInterrupt:
        line = f"interrupted: {writer.decoded:,} of {total:,} images are decoded; run the same command to resume"
        typer.echo(line, err=True)
        raise typer.Exit(INTERRUPTED) from None


def _document(dataset: Dataset, writer: StoreWriter, errors: list[ImageError], examples: int) -> dict[str, Any]:
    return {
        "images": len(dataset),
        "decoded_now": len(writer.todo) - len(errors),
        "not_decodable": len(errors),
        "errors": errors_by_kind(errors, examples),
        "bytes": writer.nbytes,
        "dataset": dataset.digest,
        "folder": str(writer.folder),
    }


def _print_store(output: Output, document: dict[str, Any]) -> None:
    output.facts("decoded store", [
        ("images", f"{document['images']:,}"),
        ("decoded now", f"{document['decoded_now']:,}"),
        ("not decodable", f"{document['not_decodable']:,}"),
        *((f"  {kind}", f"{entry['count']:,}") for kind, entry in document["errors"].items()),
        ("size", decimal(document["bytes"])),
        ("dataset", document["dataset"]),
        ("folder", document["folder"]),
        ("time", f"{document['seconds']:.2f} s"),
    ])  # fmt: skip
