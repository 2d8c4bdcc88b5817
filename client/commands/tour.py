"""`python -m client tour`: what the product does, shown on a server that runs or on one of the tour's own."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import httpx
import numpy as np
import typer
import xxhash
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.status import Status
from rich.table import Table
from rich.text import Text

from client.batches.batch import Batch
from client.commands.tour_server import own_server
from client.errors import ClientError, ServerError
from client.protocol.requests import StreamRequest
from client.sync_client import SamplerClient
from sampler.arrays import Arrays
from sampler.stream.keys import SampleKey
from sampler.stream.shards import Shard
from sampler.wire.spec import ServiceSpec

SEED = 7
STEP = 12
BATCH_SIZE = 16
BATCHES = 20
PICTURED = 59
"""The sample of the debug picture: in the demo dataset, one with objects, ignored boxes, and attention at all sizes."""

OWN_URL = "http://127.0.0.1:8000"
"""Where uvicorn serves unless it is told otherwise."""

UrlArgument = Annotated[
    str | None, typer.Argument(metavar="URL", help="A server that runs; without it one is started and stopped.")
]
OutOption = Annotated[Path, typer.Option(help="Folder for a batch, a picture, and the log of a server started here.")]


def tour(url: UrlArgument = None, out: OutOption = Path("demo-output")) -> None:
    """Fetch batches by index, by seed and as a stream, show what is in them, and draw a sample."""
    out.mkdir(parents=True, exist_ok=True)
    guide = Guide(Console(highlight=False), out)
    if url is not None:
        guide.show(url)
    else:
        with _started(guide.console, out / "server.log") as started:
            guide.show(started)
        guide.say("the server has been stopped")
    guide.next_steps(url)


@contextmanager
def _started(console: Console, log_file: Path) -> Iterator[str]:
    """A server of our own, by its URL, with a word on what it does until it is ready."""
    console.print("[bold]A server[/bold] is started: uvicorn service.main:app")
    began = time.perf_counter()
    with ExitStack() as stack:
        with console.status("starting") as status:
            url = stack.enter_context(own_server(log_file, _Narrator(console, status)))
        console.print(
            f"  ready at {url} after {time.perf_counter() - began:.1f} s; its log is {escape(str(log_file))}",
            soft_wrap=True,
        )
        yield url


class _Narrator:
    """Passes on what a server says: beside a spinner on a terminal, line by line elsewhere."""

    def __init__(self, console: Console, status: Status) -> None:
        self._console = console
        self._status = status
        self._began = time.perf_counter()
        self._said = ""

    def __call__(self, line: str) -> None:
        if line and line != self._said and not self._console.is_terminal:
            self._console.print(f"  {escape(line)}", soft_wrap=True)
        self._said = line or self._said
        text = f"{time.perf_counter() - self._began:4.1f} s  {self._said or 'starting'}"
        self._status.update(Text(text, no_wrap=True, overflow="ellipsis"))


@dataclass(frozen=True, slots=True)
class Guide:
    """Leads through a server's answers, prints them on `console`, writes files into `out`."""

    console: Console
    out: Path

    def say(self, text: str) -> None:
        """Print one line, indented."""
        self.console.print(f"  {text}", soft_wrap=True)

    def head(self, text: str) -> None:
        """Print the first line of a part."""
        self.console.print(f"\n{text}", soft_wrap=True)

    def show(self, url: str) -> None:
        """Show everything that a server gives."""
        with SamplerClient(url) as client:
            spec = client.spec()
            self._spec(spec)
            batch = self._by_index(client, spec)
            self._by_seed(client)
            self._stream(client)
            self._same_bytes(url, spec)
        self._files(url, batch, spec)

    def _spec(self, spec: ServiceSpec) -> None:
        self.say(f"{spec.size:,} images, {spec.categories} categories, config {escape(spec.config.name)}")
        self.say(f"digest {spec.digest}: dataset, config and sampler version in one word; clients hold on to it")

    def _by_index(self, client: SamplerClient, spec: ServiceSpec) -> Batch:
        indices = [index % spec.size for index in (PICTURED, 17, 5)]
        self.head(f"[bold]By index[/bold]: client.batch(indices={indices}, seed={SEED})")
        batch = client.batch(indices=indices, seed=SEED)
        self.console.print(array_table(batch))
        return batch

    def _by_seed(self, client: SamplerClient) -> None:
        call = f"client.batch(seed={SEED}, step={STEP}, batch_size={BATCH_SIZE})"
        self.head(f"[bold]By seed[/bold]: {call}")
        batch = client.batch(seed=SEED, step=STEP, batch_size=BATCH_SIZE)
        indices = [key.index for key in batch.keys]
        self.say(f"the seed's stream says: epoch {batch.keys[0].epoch}, images {', '.join(map(str, indices))}")
        # A step may reach into the next epoch, so each epoch's samples are asked for on their own.
        by_index = {
            key: row
            for epoch in sorted({key.epoch for key in batch.keys})
            for key, row in _rows(client, epoch, [key.index for key in batch.keys if key.epoch == epoch])
        }
        same = all(
            np.array_equal(array, np.stack([by_index[key][name] for key in batch.keys]))
            for name, array in batch.arrays.items()
        )
        self._verdict(same, f"all {len(batch.arrays)} arrays are the same when asked for by these indices")
        parts = [
            client.batch(seed=SEED, step=STEP, batch_size=BATCH_SIZE, rank=rank, world_size=3) for rank in range(3)
        ]
        keys = tuple(key for part in parts for key in part.keys)
        self._verdict(keys == batch.keys, f"ranks 0, 1, 2 of 3 get {[len(part) for part in parts]} of its samples")

    def _stream(self, client: SamplerClient) -> None:
        call = f"client.stream(seed={SEED}, start=0, stop={BATCHES}, batch_size={BATCH_SIZE})"
        self.head(f"[bold]As a stream[/bold]: {call}")
        request = StreamRequest(seed=SEED, start=0, stop=BATCHES, shard=Shard(BATCH_SIZE))
        columns = TextColumn("  batches"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        began, received = time.perf_counter(), 0
        with (
            Progress(*columns, console=self.console) as progress,
            closing(client.packed_stream(request)) as batches,
        ):
            for packed in progress.track(batches, total=BATCHES):
                packed.render()
                received += packed.wire_bytes
        seconds, samples = time.perf_counter() - began, BATCHES * BATCH_SIZE
        self.say(
            f"{samples} samples in {seconds:.1f} s: {samples / seconds:.0f} samples/s, "
            f"{received / seconds / 1e6:.1f} MB/s on the wire, rendered into arrays here"
        )

    def _same_bytes(self, url: str, spec: ServiceSpec) -> None:
        self.head("[bold]Again[/bold]: the URL of a batch, asked twice")
        query = f"seed={SEED}&step={STEP}&batch_size={BATCH_SIZE}&digest={spec.digest}"
        whole = f"{url.rstrip('/')}/v1/batches?{query}"
        self.say(escape(whole))
        first, second = _get(whole), _get(whole)
        digest = xxhash.xxh3_128(first).hexdigest()
        self._verdict(first == second, f"the same {len(first):,} bytes, XXH3 {digest}, on every host with this digest")

    def _files(self, url: str, batch: Batch, spec: ServiceSpec) -> None:
        self.head("[bold]Written[/bold]")
        batch.save(self.out / "batch.npz")
        self.say(f"{escape(str(self.out / 'batch.npz'))}: the batch above")
        index = PICTURED % spec.size
        picture = _get(f"{url.rstrip('/')}/debug/samples/{index}.png?seed={SEED}")
        (self.out / "sample.png").write_bytes(picture)
        self.say(f"{escape(str(self.out / 'sample.png'))}: sample {index} explained in one picture")

    def _verdict(self, right: bool, text: str) -> None:
        if not right:
            raise ClientError(f"this does not hold: {text}")
        self.say(f"[green]✓[/green] {escape(text)}")

    def next_steps(self, url: str | None) -> None:
        """Print what to do next, as commands of this installation. url: of a server that goes on running, or None."""
        python, there = _python(), (url or OWN_URL).rstrip("/")
        steps = [] if url else [(f"{python} -m uvicorn service.main:app", f"a server that stays up, at {OWN_URL}")]
        steps += [
            (f"{there}/", "leaf through its samples in a browser"),
            (f"{python} -m client bench {there}", "how fast batches come"),
        ]
        if not url:
            own = "your own COCO-format dataset; README.md goes on from here"
            steps.append(("SAMPLER_ANNOTATIONS=… SAMPLER_IMAGES=…", own))
        self.head("[bold]Next[/bold]")
        for command, meaning in steps:
            self.say(f"[cyan]{escape(command)}[/cyan]\n      {meaning}")


def array_table(batch: Batch) -> Table:
    """Return a table of a batch's arrays: name, dtype, shape, and the range and mean of the values."""
    table = Table("array", "dtype", "shape")
    for title in ("min", "max", "mean"):
        table.add_column(title, justify="right")
    for name, array in batch.arrays.items():
        values = (f"{number:.4g}" for number in (array.min(), array.max(), array.mean()))
        table.add_row(name, str(array.dtype), " × ".join(map(str, array.shape)), *values)
    return table


def _rows(client: SamplerClient, epoch: int, indices: list[int]) -> Iterator[tuple[SampleKey, Arrays]]:
    batch = client.batch(indices=indices, seed=SEED, epoch=epoch)
    for row, key in enumerate(batch.keys):
        yield key, {name: array[row] for name, array in batch.arrays.items()}


def _get(url: str) -> bytes:
    answer = httpx.get(url, timeout=60.0)
    if answer.status_code != 200:
        raise ServerError(f"GET {url}: status {answer.status_code}: {answer.text[:200]}")
    return answer.content


def _python() -> str:
    """Return this interpreter as one would type it here."""
    found = os.path.relpath(sys.executable)
    return sys.executable if found.startswith("..") else found
