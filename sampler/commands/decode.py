"""The command `decode`: decode all images of a dataset once, into a file that servers map into memory."""

import shutil
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Column, Table

from sampler.cache_folder import default_cache_dir
from sampler.cli.exit_status import INTERRUPTED
from sampler.commands.entry_points import record_entry_points
from sampler.commands.examples import print_errors, print_examples
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
from sampler.dataset.images.decoded_store.writer import StoreWriter, open_writer
from sampler.dataset.images.stamps import ImageStamps, stamps_file
from sampler.errors import CacheError, ImageError, StoreError
from sampler.printable import printable
from sampler.progress import progress_bar, spinner
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
) -> None:
    """Decode all images into one file that servers map into memory. Samples are then cut from it.

    If interrupted, the next run resumes where it stopped. It also checks all stored pixels, and decodes images again
    that are damaged in the store or whose files have changed; a changed object in storage is an error unless hashes are
    recorded anew. Exit status 1 if some images cannot be decoded: they are
    left out, and servers report them as before.

    With --entry-points, images are decoded once but not stored. If interrupted, the next run resumes where it stopped.
    """
    options = ReadOptions(max_image_pixels, follow_links=follow_links)
    with spinner() as report:
        dataset = open_dataset(annotations, images, cache_dir, report, options, subset)
    threads, folder = jobs or available_cpus(), cache_dir or default_cache_dir()
    dataset.stamps = _open_stamps(dataset, folder)
    if entry_points:
        if not record_entry_points(dataset, folder, threads, force, examples):
            raise typer.Exit(1)
        return
    console = Console(highlight=False)
    began = time.perf_counter()
    with ExitStack() as stack:
        writer = stack.enter_context(open_writer(dataset, folder, force, threads, progress_bar))
        _print_broken(console, dataset, writer, examples)
        _check_space(writer, console)
        errors = _run(writer, len(dataset), threads)
        _print_store(console, dataset, writer, errors, time.perf_counter() - began)
    print_errors(console, errors, examples)
    if any(error.kind == "damaged" for error in errors):
        console.print(f"[bold]damaged[/bold] {_DAMAGED}", soft_wrap=True)
    if errors:
        raise typer.Exit(1)


def _open_stamps(dataset: Dataset, cache_dir: Path) -> ImageStamps | None:
    """Return the recorded states of objects in storage: `decode` must not use objects that servers refuse."""
    if not dataset.images.is_remote or dataset.hashes is not None:
        return None
    file = stamps_file(cache_dir, dataset.digest, dataset.images)
    try:
        return ImageStamps.open(file)
    except OSError as error:
        raise CacheError(f"{printable(str(file))}: cannot be opened: {explain(error, file)}") from error


def _print_broken(console: Console, dataset: Dataset, writer: StoreWriter, examples: int) -> None:
    broken = writer.broken.tolist()
    files = [dataset.images.describe(dataset.file_name(index)) for index in broken[:examples]]
    print_examples(console, "store-damaged", [f"the stored pixels of {file}" for file in files], len(broken))


def _check_space(writer: StoreWriter, console: Console) -> None:
    """Print how much will be written. Raises StoreError if there is not enough disk space."""
    if not len(writer.todo):
        console.print("all images are decoded already")
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
    console.print(escape(printable(line)), soft_wrap=True)


def _run(writer: StoreWriter, total: int, jobs: int) -> list[ImageError]:
    if not len(writer.todo):
        return []
    try:
        with progress_bar("decoding", total, completed=total - len(writer.todo)) as advance:
            return writer.run(jobs, lambda image: advance(image.nbytes))
    except KeyboardInterrupt:
        line = f"interrupted: {writer.decoded:,} of {total:,} images are decoded; run the same command to resume"
        typer.echo(line, err=True)
        raise typer.Exit(INTERRUPTED) from None


def _print_store(
    console: Console, dataset: Dataset, writer: StoreWriter, errors: list[ImageError], seconds: float
) -> None:
    table = Table("decoded store", Column(overflow="fold"), show_header=False)
    table.add_row("images", f"{len(dataset):,}")
    table.add_row("decoded now", f"{len(writer.todo) - len(errors):,}")
    table.add_row("not decodable", f"{len(errors):,}")
    for kind, count in Counter(error.kind for error in errors).most_common():
        table.add_row(f"  {kind}", f"{count:,}")
    table.add_row("size", decimal(writer.nbytes))
    table.add_row("dataset", dataset.digest)
    table.add_row("folder", escape(printable(str(writer.folder))))
    table.add_row("time", f"{seconds:.2f} s")
    console.print(table)
