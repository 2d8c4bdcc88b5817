"""The command `bench`: how fast batches arrive."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from client.commands.errors import client_errors
from client.commands.options import (
    AttemptsOption,
    CaOption,
    DatasetOption,
    LayoutOption,
    SeedOption,
    TokenFileOption,
    UrlsArgument,
)
from client.credentials import read_token
from client.protocol.requests import StreamRequest, require_layout
from client.sync_client import SamplerClient
from sampler.array_table import allocate
from sampler.arrays import Arrays, Layout
from sampler.checks import require_integer
from sampler.cli.errors import CommandError
from sampler.cli.output import JsonOption, Output, QuietOption
from sampler.config.presets import preset
from sampler.kernels.selection import fastest_kernels
from sampler.layouts.convert import unpack_batch
from sampler.stream.shards import STEP_LIMIT, Shard

PERCENTILES = (50, 90, 99, 100)
GRACE_SECONDS = 2.0
"""How long to wait at the end for readers that are in the middle of a batch."""


@client_errors()
def bench(
    urls: UrlsArgument = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long to read.")] = 10.0,
    batch_size: Annotated[int, typer.Option(help="Samples of each batch of each reader.")] = 48,
    layout: LayoutOption = "compact",
    concurrency: Annotated[int, typer.Option(min=1, max=1024, help="Number of readers, each with its own rank.")] = 1,
    render: Annotated[bool, typer.Option(help="Render batches into arrays, as training needs them.")] = True,
    seed: SeedOption = 0,
    dataset: DatasetOption = None,
    attempts: AttemptsOption = 3,
    ca: CaOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Measure how fast batches arrive: samples and bytes per second, and latencies.

    Ctrl-C ends the measurement early; the result is what was measured so far.
    """
    checked_layout = require_layout(layout)
    require_integer("batch_size", batch_size, 1, STEP_LIMIT // concurrency)
    token = read_token(token_file)
    measured = Bench(
        lambda: SamplerClient(
            urls or None, dataset=dataset, layout=checked_layout, attempts=attempts, token=token, ca=ca
        ),
        batch_size, checked_layout, seed, concurrency, render,
    )  # fmt: skip
    columns = TextColumn("reading"), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
        task = progress.add_task("", total=seconds)

        def tick(elapsed: float, readings: Sequence[Reading]) -> None:
            samples = sum(reading.samples for reading in readings)
            rate = samples / max(elapsed, 0.1)
            progress.update(task, completed=elapsed, description=f"{samples:,} samples, {rate:,.0f}/s")

        summary = measured.run(seconds, tick)
    output = Output(as_json, quiet)
    _print_summary(output, summary, measured)
    output.document(_document(summary, measured))
    if measured.errors:
        raise measured.errors[0]


@dataclass(frozen=True, slots=True)
class Reading:
    """One batch. wait: seconds waited for it. render: seconds to render it; 0 if it was not rendered."""

    samples: int
    wire_bytes: int
    wait: float
    render: float


@dataclass(frozen=True, slots=True)
class Summary:
    """The result of a measurement.

    latency: seconds waited for a batch at each of `PERCENTILES`, including the first. first: seconds waited for the
    first batch. starved: the share of the readers' time spent waiting for the server, 0–1.
    """

    seconds: float
    batches: int
    samples: int
    wire_bytes: int
    latency: dict[int, float]
    first: float
    starved: float

    @property
    def samples_per_second(self) -> float:
        return self.samples / self.seconds

    @property
    def megabytes_per_second(self) -> float:
        """10⁶ bytes per second on the wire."""
        return self.wire_bytes / self.seconds / 1e6


def summarise(readings: Sequence[Reading], seconds: float) -> Summary:
    """Summarise one or more readings, in the order they were made, over `seconds`."""
    waits = np.array([reading.wait for reading in readings])
    busy = float(waits.sum()) + sum(reading.render for reading in readings)
    return Summary(
        seconds=seconds,
        batches=len(readings),
        samples=sum(reading.samples for reading in readings),
        wire_bytes=sum(reading.wire_bytes for reading in readings),
        latency={percent: float(np.percentile(waits, percent, method="higher")) for percent in PERCENTILES},
        first=float(waits[0]),
        starved=float(waits.sum()) / busy if busy > 0 else 0.0,
    )


@dataclass(slots=True)
class Bench:
    """Readers of one seed's stream, each with its own rank and client. batch_size: of each reader."""

    make_client: Callable[[], SamplerClient]
    batch_size: int
    layout: Layout
    seed: int = 0
    concurrency: int = 1
    render: bool = True
    readings: list[Reading] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self, seconds: float, tick: Callable[[float, Sequence[Reading]], None]) -> Summary:
        """Read for some seconds and return the summary. Ctrl-C ends the measurement early, without an error.

        A reader's error ends the measurement. If nothing was read, it is raised; otherwise it is in `errors`.

        Args:
            seconds: How long to read.
            tick: Called every tenth of a second with the elapsed seconds and the readings so far.

        Raises:
            InvalidRequestError: The seed or the batch size is invalid.
            CommandError: No batch arrived.
            KeyboardInterrupt: Ctrl-C, before the first batch.
        """
        requests = [self._request(rank) for rank in range(self.concurrency)]
        if self.render and self.layout == "compact":
            _render_once()
        threads = [threading.Thread(target=self._read, args=(request,), daemon=True) for request in requests]
        started = time.perf_counter()
        try:
            for thread in threads:
                thread.start()
            while (elapsed := time.perf_counter() - started) < seconds and not self._stop.wait(0.1):
                tick(elapsed, self.readings)
        except KeyboardInterrupt:
            if not self.readings:
                raise
        elapsed, readings = time.perf_counter() - started, list(self.readings)
        self._end(threads)
        if not readings:  # the batch that was in progress is the first
            elapsed, readings = time.perf_counter() - started, list(self.readings)
        if not readings:
            raise self._nothing_read(elapsed)
        return summarise(readings, elapsed)

    def _request(self, rank: int) -> StreamRequest:
        # Each reader takes `batch_size` samples of each step, as separate training processes would.
        shard = Shard(self.batch_size * self.concurrency, rank, self.concurrency)
        return StreamRequest(seed=self.seed, start=0, stop=None, shard=shard, layout=self.layout)

    def _read(self, request: StreamRequest) -> None:
        try:
            with self.make_client() as client, closing(client.packed_stream(request)) as batches:
                while not self._stop.is_set():
                    begun = time.perf_counter()
                    packed = next(batches)
                    received = time.perf_counter()
                    if self.render:
                        packed.render()
                    rendering = time.perf_counter() - received if self.render else 0.0
                    self.readings.append(Reading(len(packed), packed.wire_bytes, received - begun, rendering))
        except Exception as error:  # noqa: BLE001 - raised in the main thread
            self.errors.append(error)
            self._stop.set()

    def _end(self, threads: Sequence[threading.Thread]) -> None:
        self._stop.set()
        deadline = time.monotonic() + GRACE_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _nothing_read(self, elapsed: float) -> Exception:
        if self.errors:
            return self.errors[0]
        advice = "use a longer --seconds, or run `saccade-sampler doctor URL`"
        return CommandError(f"no batch arrived within {elapsed:.1f} s; {advice}")


def _render_once() -> None:
    """Render a batch like one from the wire, so that compiling the kernels is not measured."""
    config = preset("cornernet_saccade")
    arrays: Arrays = {
        "crop": np.zeros((*config.input_size, 3), np.uint8),
        "colour": np.zeros((3, 4), np.float32),
        "boxes": np.array([[1, 1, 60, 60, 1], [1, 1, 9, 9, 1]], np.float32),
        "objects": np.array([1, 0], np.uint8),
    }
    for array in arrays.values():
        array.flags.writeable = False  # like those from the wire: kernels are compiled for them separately
    unpack_batch([arrays], "compact", config, allocate(config, 1, batch=1), fastest_kernels())


def _document(summary: Summary, measured: Bench) -> dict[str, Any]:
    return {
        "readers": measured.concurrency,
        "batch_size": measured.batch_size,
        "layout": measured.layout,
        "rendered": measured.render,
        "seconds": summary.seconds,
        "batches": summary.batches,
        "samples": summary.samples,
        "samples_per_second": summary.samples_per_second,
        "megabytes_per_second": summary.megabytes_per_second,
        "first_batch_seconds": summary.first,
        "wait_seconds": {_percentile(percent): seconds for percent, seconds in summary.latency.items()},
        "starved": summary.starved,
    }


def _print_summary(output: Output, summary: Summary, measured: Bench) -> None:
    waits = summary.latency.items()
    output.facts("measured", [
        ("readers × batch", f"{measured.concurrency} × {measured.batch_size}, {measured.layout}"),
        ("time", f"{summary.seconds:.1f} s"),
        ("batches", f"{summary.batches:,}"),
        ("samples", f"{summary.samples:,}"),
        ("samples/s", f"{summary.samples_per_second:,.1f}"),
        ("MB/s on the wire", f"{summary.megabytes_per_second:,.1f}"),
        ("first batch after", f"{1e3 * summary.first:,.1f} ms"),
        *((f"wait for a batch, {_percentile(percent)}", f"{1e3 * seconds:,.1f} ms") for percent, seconds in waits),
        ("starved (waiting for the server)", f"{100 * summary.starved:.1f} %"),
    ])  # fmt: skip


def _percentile(percent: int) -> str:
    return "max" if percent == 100 else f"p{percent}"
