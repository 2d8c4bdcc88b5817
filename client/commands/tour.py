"""The command `tour`, or `saccade-sampler demo`: shows the features on a running server, or on one that it starts."""

import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

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

from client.access import access_to
from client.batches import Batch
from client.commands.errors import client_errors
from client.commands.options import CaOption, DatasetOption, TokenFileOption
from client.commands.tour_server import own_server, require_server_packages
from client.credentials import Token, read_token, without_credentials
from client.errors import ClientError, ServerError
from client.fleet.addresses import URL_VARIABLE, Address, ServerAddresses
from client.protocol.exchange import Exchange
from client.protocol.requests import StreamRequest
from client.protocol.target import Target
from client.sync_client import SamplerClient
from client.transport.tls import trust
from sampler.cli.output import Output, QuietOption
from sampler.printable import printable
from sampler.stream.shards import Shard
from sampler.wire.spec import ServiceSpec

SEED = 7
STEP = 12
BATCH_SIZE = 16
BATCHES = 20
PICTURED = 59
"""Index of the debug picture. In the demo dataset it has objects, ignored boxes, and attention at all sizes."""

DEFAULT_URL = "http://127.0.0.1:8000"
"""A server's default address."""

UrlsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="URL",
        help="A running server, or several of the same samples (default: SAMPLER_URL). Without any, one is started.",
        show_default=False,
    ),
]
OutOption = Annotated[Path, typer.Option(help="Folder for a batch, a picture, and the log of a server started here.")]


@client_errors()
def tour(
    urls: UrlsArgument = None,
    out: OutOption = Path("demo-output"),
    dataset: DatasetOption = None,
    ca: CaOption = None,
    token_file: TokenFileOption = None,
    quiet: QuietOption = False,
) -> None:
    """Fetch batches by index, by seed and as a stream, show their arrays, and draw a sample."""
    output = Output(quiet=quiet)
    guide = Guide(output, out, dataset, read_token(token_file), ca)
    running = ServerAddresses.parse(urls or None) if urls or os.environ.get(URL_VARIABLE) else None
    if running is None:
        require_server_packages()
    out.mkdir(parents=True, exist_ok=True)
    if running is not None:
        guide.show(running)
    else:
        with _started_server(output.console, out / "server.log") as started:
            guide.show(ServerAddresses.parse(started))
        guide.say("the server has been stopped")
    guide.next_steps(running, token_file)


@contextmanager
def _started_server(console: Console, log_file: Path) -> Iterator[str]:
    """Run a server and yield its URL; show its progress until it is ready."""
    console.print("[bold]Starting a server[/bold]: saccade-sampler serve")
    began = time.perf_counter()
    with ExitStack() as stack:
        with console.status("starting") as status:
            url = stack.enter_context(own_server(log_file, _Narrator(console, status))).url
        seconds = time.perf_counter() - began
        console.print(f"  ready at {url} after {seconds:.1f} s; log: {escape(str(log_file))}", soft_wrap=True)
        yield url


class _Narrator:
    """Shows what a server logs: next to a spinner on a terminal, line by line elsewhere."""

    def __init__(self, console: Console, status: Status) -> None:
        self._console = console
        self._status = status
        self._began = time.perf_counter()
        self._line = ""

    def __call__(self, line: str) -> None:
        if line and line != self._line and not self._console.is_terminal:
            self._console.print(f"  {escape(printable(line))}", soft_wrap=True)
        self._line = line or self._line
        text = f"{time.perf_counter() - self._began:4.1f} s  {self._line or 'starting'}"
        self._status.update(Text(text, no_wrap=True, overflow="ellipsis"))


@dataclass(frozen=True, slots=True)
class Guide:
    """Shows a server's features, and writes files into `out`.

    dataset: name of one of the server's datasets; None for the first. token, ca: as for `SamplerClient`.
    """

    output: Output
    out: Path
    dataset: str | None = None
    token: Token | None = None
    ca: Path | None = None

    def say(self, text: str) -> None:
        self.output.console.print(f"  {text}", soft_wrap=True)

    def head(self, text: str) -> None:
        self.output.console.print(f"\n{text}", soft_wrap=True)

    def show(self, servers: ServerAddresses) -> None:
        with SamplerClient(servers.argument, dataset=self.dataset, token=self.token, ca=self.ca) as client:
            spec = client.spec()
            config, digest = (escape(printable(text)) for text in (spec.config.name, spec.digest))
            self.say(f"{spec.size:,} images, {len(spec.category_names)} categories, config {config}")
            self.say(f"digest {digest}: identifies dataset, config and sampler version; clients pin it")
            batch = self._by_index(client, spec)
            self._by_seed(client)
            self._stream(client)
            known = servers.current()
            self._same_bytes(known[0], known[-1], spec)
        self._files(known[0], batch, spec)

    def _by_index(self, client: SamplerClient, spec: ServiceSpec) -> Batch:
        indices = [index % spec.size for index in (PICTURED, 17, 5)]
        self.head(f"[bold]By index[/bold]: client.batch(indices={indices}, seed={SEED})")
        batch = client.batch(indices=indices, seed=SEED)
        table = Table("array", "dtype", "shape")
        for title in ("min", "max", "mean"):
            table.add_column(title, justify="right")
        for name, array in batch.arrays.items():
            values = (f"{number:.4g}" for number in (array.min(), array.max(), array.mean()))
            table.add_row(name, str(array.dtype), " × ".join(map(str, array.shape)), *values)
        self.output.table(table)
        return batch

    def _by_seed(self, client: SamplerClient) -> None:
        call = f"client.batch(seed={SEED}, step={STEP}, batch_size={BATCH_SIZE})"
        self.head(f"[bold]By seed[/bold]: {call}")
        batch = client.batch(seed=SEED, step=STEP, batch_size=BATCH_SIZE)
        indices = [key.index for key in batch.keys]
        self.say(f"the stream of the seed gives epoch {batch.keys[0].epoch}, images {', '.join(map(str, indices))}")
        same = True
        for epoch in {key.epoch for key in batch.keys}:  # a step may reach into the next epoch
            rows = [row for row, key in enumerate(batch.keys) if key.epoch == epoch]
            by_index = client.batch(indices=[indices[row] for row in rows], seed=SEED, epoch=epoch)
            same &= all(np.array_equal(array[rows], by_index.arrays[name]) for name, array in batch.arrays.items())
        self._verify(same, f"all {len(batch.arrays)} arrays are the same when requested by these indices")
        parts = [
            client.batch(seed=SEED, step=STEP, batch_size=BATCH_SIZE, rank=rank, world_size=3) for rank in range(3)
        ]
        keys = tuple(key for part in parts for key in part.keys)
        self._verify(keys == batch.keys, f"ranks 0, 1, 2 of 3 get {[len(part) for part in parts]} of its samples")

    def _stream(self, client: SamplerClient) -> None:
        call = f"client.stream(seed={SEED}, start=0, stop={BATCHES}, batch_size={BATCH_SIZE})"
        self.head(f"[bold]As a stream[/bold]: {call}")
        request = StreamRequest(seed=SEED, start=0, stop=BATCHES, shard=Shard(BATCH_SIZE))
        columns = TextColumn("  batches"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        began, received = time.perf_counter(), 0
        with (
            Progress(*columns, console=self.output.console) as progress,
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

    def _same_bytes(self, one: Address, other: Address, spec: ServiceSpec) -> None:
        where = "requested twice" if one == other else f"and of the same at {escape(other.shown)}"
        self.head(f"[bold]Again[/bold]: the URL of a batch, {where}")
        target = Target(one.url, spec.digest, spec.pixels, self.dataset, spec.substitutes)
        path = f"/v1/batches?seed={SEED}&step={STEP}&batch_size={BATCH_SIZE}&{urlencode(target.parameters)}"
        self.say(escape(f"{one.shown}{path}"))
        first, second = self._get(one, path), self._get(other, path)
        digest = xxhash.xxh3_128(first).hexdigest()
        self._verify(first == second, f"the same {len(first):,} bytes, XXH3 {digest}, on every host with this digest")

    def _files(self, server: Address, batch: Batch, spec: ServiceSpec) -> None:
        self.head("[bold]Files[/bold]")
        batch.save(self.out / "batch.npz")
        self.say(f"{escape(str(self.out / 'batch.npz'))}: the batch by index")
        index = PICTURED % spec.size
        names = "" if self.dataset is None else f"&{urlencode({'dataset': self.dataset})}"
        (self.out / "sample.png").write_bytes(self._get(server, f"/debug/samples/{index}.png?seed={SEED}{names}"))
        self.say(f"{escape(str(self.out / 'sample.png'))}: sample {index} explained in one picture")

    def _get(self, server: Address, path: str) -> bytes:
        access = access_to([(server.url, None)], self.token, self.ca)
        exchange = Exchange("GET", f"{server.url}{path}", host=server.host)
        with httpx.Client(headers=access.headers, verify=trust(access.ca), timeout=60.0) as http:
            response = http.get(exchange.url, headers=exchange.headers, extensions=exchange.extensions)
        if response.status_code != 200:
            raise ServerError(f"{exchange.name}: status {response.status_code}: {response.text[:200]}")
        return response.content

    def _verify(self, holds: bool, claim: str) -> None:
        if not holds:
            raise ClientError(f"the server's responses contradict each other, expected: {claim}")
        self.say(f"[green]✓[/green] {escape(claim)}")

    def next_steps(self, running: ServerAddresses | None, token_file: Path | None = None) -> None:
        """Print commands to go on with. running: servers that keep running, or None."""
        given = {"--dataset": self.dataset, "--ca": self.ca, "--token-file": token_file}
        options = "".join(f" {name} {shlex.quote(str(value))}" for name, value in given.items() if value)
        program, url = program_to_type(), DEFAULT_URL if running is None else running.bases[0].shown
        servers = DEFAULT_URL if running is None else shlex.join(map(without_credentials, running.given))
        steps = [] if running is not None else [(f"{program} serve", f"start a server at {DEFAULT_URL}")]
        steps += [
            (f"{url}/", "browse its samples"),
            (f"{program} bench {servers}{options}", "measure how fast batches arrive"),
            (f'loader("{url}", seed={SEED}, batch_size={BATCH_SIZE})', "train with its batches; see docs/training.md"),
        ]
        if running is None:
            steps.append(("SAMPLER_ANNOTATIONS=… SAMPLER_IMAGES=…", "use your own COCO-format dataset; see README.md"))
        self.head("[bold]Next[/bold]")
        for command, meaning in steps:
            self.say(f"[cyan]{escape(command)}[/cyan]\n      {meaning}")


def program_to_type() -> str:
    """Return the program `saccade-sampler` of this environment as a user would type it here."""
    script = Path(sys.executable).with_name("saccade-sampler")
    if shutil.which("saccade-sampler") == str(script):
        return script.name
    if script.is_file():
        return _from_here(script)
    return f"{_from_here(Path(sys.executable))} -m saccade_sampler"


def _from_here(path: Path) -> str:
    """Return a path relative to the current folder if it is below it."""
    relative = os.path.relpath(path)
    return shlex.quote(str(path) if relative.startswith("..") else relative)
