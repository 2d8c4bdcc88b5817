"""The commands of `python -m client`.

Exit status: 0 as asked, 2 could not run; then one line on stderr says why.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from client.batches.batch import Batch
from client.commands.bench import PERCENTILES, Bench, Reading, Summary
from client.commands.tour import tour
from client.errors import ClientError
from client.protocol.requests import require_layout
from client.sync_client import SamplerClient
from sampler.commands.program import OneLineErrors
from sampler.errors import InvalidRequestError, SamplerError
from sampler.stream.shards import Shard


class ClientCommands(OneLineErrors):
    """The commands; errors of the client are one line on stderr."""

    errors = (ClientError, SamplerError, OSError)

    def invoke(self, ctx: Any) -> Any:
        """Run the command. Retries are not logged: the error that ends them says enough."""
        logging.getLogger("saccade_client").setLevel(logging.ERROR)
        return super().invoke(ctx)


app = typer.Typer(
    cls=ClientCommands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Batches of a sampling server: fetch one, or measure how fast they come.",
)
app.command()(tour)

UrlArgument = Annotated[str, typer.Argument(metavar="URL", help="The server, such as http://cpu-host:8000.")]
LayoutOption = Annotated[str, typer.Option(help="How samples travel: compact, sparse or dense.")]
SeedOption = Annotated[int, typer.Option(help="Seed of the samples, 0 and up.")]
AttemptsOption = Annotated[int, typer.Option(help="How often to try in all.")]


@app.command()
def fetch(
    url: UrlArgument,
    out: Annotated[Path, typer.Option(help="The .npz file to write.")],
    indices: Annotated[str | None, typer.Option(help="Dataset indices, such as 3,17,5.")] = None,
    step: Annotated[int | None, typer.Option(help="Step of the seed's stream, with --batch-size.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Batch size of all ranks together.")] = None,
    seed: SeedOption = 0,
    epoch: Annotated[int, typer.Option(help="Epoch of the samples, with --indices.")] = 0,
    rank: Annotated[int, typer.Option(help="Which part of the step, 0 to world size − 1.")] = 0,
    world_size: Annotated[int, typer.Option(help="How many parts the step has.")] = 1,
    layout: LayoutOption = "compact",
    augment: Annotated[bool, typer.Option(help="Random recipes, or the fixed one.")] = True,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it is there.")] = False,
    attempts: AttemptsOption = 3,
) -> None:
    """Fetch one batch, by index or by seed, write it to a .npz file, and show its arrays."""
    if out.exists() and not force:
        raise InvalidRequestError("out", str(out), "a file that is not there yet, or --force")
    if not out.parent.is_dir():
        there = f"a file in a folder that exists ({out.parent}: No such file or folder)"
        raise InvalidRequestError("out", str(out), there)
    asked: dict[str, Any] = {"indices": _integers(indices), "seed": seed, "epoch": epoch, "step": step}
    asked |= {"batch_size": batch_size, "rank": rank, "world_size": world_size, "augment": augment}
    with SamplerClient(url, layout=require_layout(layout), attempts=attempts) as client:
        batch: Batch = client.batch(**asked)
    batch.save(out)
    _print_batch(batch, out)


@app.command()
def bench(
    url: UrlArgument,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long to read.")] = 10.0,
    batch_size: Annotated[int, typer.Option(help="Samples of each batch of each reader.")] = 48,
    layout: LayoutOption = "compact",
    concurrency: Annotated[int, typer.Option(min=1, max=1024, help="Readers at once, each a rank of its own.")] = 1,
    render: Annotated[bool, typer.Option(help="Render batches into arrays, as training needs them.")] = True,
    seed: SeedOption = 0,
    attempts: AttemptsOption = 3,
) -> None:
    """Read a stream for some seconds, and print samples per second, bytes per second and latencies."""
    form = require_layout(layout)
    Shard(batch_size)  # a size out of range is told before a reader starts
    measured = Bench(
        lambda: SamplerClient(url, layout=form, attempts=attempts), batch_size, form, seed, concurrency, render
    )
    columns = TextColumn("reading"), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=seconds)

        def tick(gone: float, readings: Sequence[Reading]) -> None:
            samples = sum(reading.samples for reading in readings)
            progress.update(task, completed=gone, description=f"{samples:,} samples, {samples / max(gone, 0.1):,.0f}/s")

        summary = measured.run(seconds, tick)
    _print_summary(summary, measured)
    if measured.errors:
        raise measured.errors[0]


def _integers(text: str | None) -> list[int] | None:
    if text is None:
        return None
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if not word.isascii() or not word.isdigit():
            raise InvalidRequestError("indices", text, "whole numbers with commas between them")
    return [int(word) for word in words]


def _print_batch(batch: Batch, out: Path) -> None:
    table = Table("array", "dtype", "shape", title=f"{len(batch)} samples, digest {escape(batch.digest)}")
    table.add_column("min", justify="right")
    table.add_column("max", justify="right")
    for name, array in batch.arrays.items():
        table.add_row(name, str(array.dtype), str(array.shape), f"{np.min(array):g}", f"{np.max(array):g}")
    console = Console(highlight=False)
    console.print(table)
    console.print(f"written to {escape(str(out))}", soft_wrap=True)


def _print_summary(summary: Summary, measured: Bench) -> None:
    table = Table("measured", show_header=False)
    table.add_column(justify="right")
    rows = {
        "readers × batch": f"{measured.concurrency} × {measured.batch_size}, {measured.layout}",
        "time": f"{summary.seconds:.1f} s",
        "batches": f"{summary.batches:,}",
        "samples": f"{summary.samples:,}",
        "samples/s": f"{summary.samples_per_second:,.1f}",
        "MB/s on the wire": f"{summary.megabytes_per_second:,.1f}",
        "first batch after": f"{1e3 * summary.first:,.1f} ms",
    }
    for percent in PERCENTILES:
        name = "max" if percent == 100 else f"p{percent}"
        rows[f"wait for a batch, {name}"] = f"{1e3 * summary.latency[percent]:,.1f} ms"
    rows["starved (waiting for the server)"] = f"{100 * summary.starved:.1f} %"
    for name, value in rows.items():
        table.add_row(name, value)
    Console(highlight=False).print(table)
