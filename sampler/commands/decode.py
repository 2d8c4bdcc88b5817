"""The command `decode`: write all images of a dataset once as raw pixels, which servers then map into memory."""

import time
from collections import Counter
from typing import Annotated

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Column, Table

from sampler.commands.options import AnnotationsOption, CacheOption, ImagesOption
from sampler.cpus import processors
from sampler.dataset.dataset import Dataset, open_dataset
from sampler.dataset.images.decoded_store.reader import StoreError
from sampler.dataset.images.decoded_store.writer import StoreWriter, open_writer
from sampler.dataset.index.cache import default_cache_dir
from sampler.errors import ImageError
from sampler.progress import pixel_bar

INTERRUPTED = 130
"""Exit status of a program that Ctrl-C ended."""


def decode(
    annotations: AnnotationsOption,
    images: ImagesOption,
    cache_dir: CacheOption = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Images at once; one per processor unless it is set.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Decode everything anew, whatever is there.")] = False,
    examples: Annotated[int, typer.Option(min=0, help="How many images of each kind of fault to show.")] = 5,
) -> None:
    """Decode every image once, into one file that servers map into memory: a sample is then a crop of it.

    Can be broken off, and goes on from there when it is started again; then it also decodes anew what has changed.
    Exit status 1 if there are images that cannot be decoded: they are left out, and served as errors like before.
    """
    dataset = open_dataset(annotations, images, cache_dir, progress=True)
    console = Console(highlight=False)
    began = time.perf_counter()
    with open_writer(dataset, cache_dir or default_cache_dir(), force, progress=True) as writer:
        _check_room(writer, console)
        errors = _run(writer, jobs or processors())
        _print_store(console, dataset, writer, errors, time.perf_counter() - began)
    _print_errors(console, errors, examples)
    if errors:
        raise typer.Exit(1)


def _check_room(writer: StoreWriter, console: Console) -> None:
    """Say what will be written and what is free. Raises StoreError when it does not fit."""
    if not len(writer.todo):
        console.print("every image is decoded already")
        return
    needed, free = decimal(writer.needed), decimal(writer.free)
    if writer.needed > writer.free:
        cause = f"{needed} are needed and {free} are free; make room, or set another cache folder (SAMPLER_CACHE_DIR)"
        raise StoreError(writer.folder, cause)
    changed = f" ({len(writer.changed):,} whose files have changed)" if len(writer.changed) else ""
    line = f"images to decode: {len(writer.todo):,}{changed}: {needed}; {free} are free in {writer.folder}"
    console.print(escape(line), soft_wrap=True)


def _run(writer: StoreWriter, jobs: int) -> list[ImageError]:
    total = writer.images
    try:
        with pixel_bar("decoding", total, total - len(writer.todo), show=len(writer.todo) > 0) as advance:
            return writer.run(jobs, lambda written: advance(written.nbytes))
    except KeyboardInterrupt:
        line = f"interrupted: {writer.decoded:,} of {total:,} images are decoded; the same command goes on from there"
        typer.echo(line, err=True)
        raise typer.Exit(INTERRUPTED) from None


def _print_store(
    console: Console, dataset: Dataset, writer: StoreWriter, errors: list[ImageError], seconds: float
) -> None:
    table = Table("decoded store", Column(overflow="fold"), show_header=False)
    table.add_row("images", f"{writer.images:,}")
    table.add_row("decoded just now", f"{len(writer.todo) - len(errors):,}")
    table.add_row("cannot be decoded", f"{len(errors):,}")
    for kind, count in Counter(error.kind for error in errors).most_common():
        table.add_row(f"  {kind}", f"{count:,}")
    table.add_row("size", decimal(writer.nbytes))
    table.add_row("dataset", dataset.digest)
    table.add_row("folder", escape(str(writer.folder)))
    table.add_row("time", f"{seconds:.2f} s")
    console.print(table)


def _print_errors(console: Console, errors: list[ImageError], examples: int) -> None:
    kinds = Counter(error.kind for error in errors)
    for kind, count in kinds.items():
        shown = [error for error in errors if error.kind == kind][:examples]
        for error in shown:
            console.print(f"[bold]{kind}[/bold] {escape(error.file)}: {escape(error.cause)}", soft_wrap=True)
        if count > len(shown) > 0:
            console.print(f"[bold]{kind}[/bold] … and {count - len(shown):,} more")
