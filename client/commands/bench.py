"""Measuring how fast batches arrive; printing is elsewhere."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np

from client.errors import ClientError
from client.protocol.requests import StreamRequest
from client.sync_client import SamplerClient
from sampler.array_table import allocate
from sampler.arrays import Arrays, Layout
from sampler.config.presets import preset
from sampler.kernels.selection import fastest_kernels
from sampler.layouts.convert import unpack_batch
from sampler.stream.shards import Shard

PERCENTILES = (50, 90, 99, 100)
GRACE = 2.0
"""Seconds that a reader in the middle of a batch is waited for when the time is up."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One batch: its samples and bytes, the seconds waited for it, and the seconds to render it (0: not rendered)."""

    samples: int
    wire_bytes: int
    wait: float
    render: float


@dataclass(frozen=True, slots=True)
class Summary:
    """What a number of readings come to.

    samples_per_second and megabytes_per_second (10⁶ bytes on the wire) are over the whole time. latency: seconds
    waited for a batch at each of `PERCENTILES`, the first batch included; first: for the first one.
    starved: the share of the readers' busy time spent waiting for the server, 0–1.
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
        """Samples per second, all readers together."""
        return self.samples / self.seconds if self.seconds > 0 else 0.0

    @property
    def megabytes_per_second(self) -> float:
        """10⁶ bytes per second on the wire, all readers together."""
        return self.wire_bytes / self.seconds / 1e6 if self.seconds > 0 else 0.0


def summarise(readings: Sequence[Reading], seconds: float) -> Summary:
    """Return what readings, in the order they were made, come to over `seconds`. Without readings all is 0."""
    waits = np.array([reading.wait for reading in readings] or [0.0])
    renders = sum(reading.render for reading in readings)
    busy = float(waits.sum()) + renders
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
    """Readers of one seed's stream, each a rank of its own with its own client, until told to stop.

    make_client: called once in each reader's thread. batch_size: samples of each batch of each reader. seed: of the
    stream. concurrency: how many readers. render: whether batches are rendered into arrays, as training needs it.
    """

    make_client: Callable[[], SamplerClient]
    batch_size: int
    layout: Layout
    seed: int = 0
    concurrency: int = 1
    render: bool = True
    readings: list[Reading] = field(default_factory=list)
    errors: list[ClientError] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self, seconds: float, tick: Callable[[float, Sequence[Reading]], None]) -> Summary:
        """Read for some seconds, and return what was measured.

        tick: called every tenth of a second with the seconds gone by and the readings so far. An interrupt (Ctrl-C)
        ends the measurement early and is otherwise no error. Raises the first `ClientError` of a reader if nothing
        was read; else it is in `errors`, and the measurement ends there.
        """
        if self.render and self.layout == "compact":
            _render_once()
        threads = [threading.Thread(target=self._read, args=(rank,), daemon=True) for rank in range(self.concurrency)]
        started = time.perf_counter()
        try:
            for thread in threads:
                thread.start()
            while (gone := time.perf_counter() - started) < seconds and not self._stop.wait(0.1):
                tick(gone, self.readings)
        except KeyboardInterrupt:
            pass  # asked for: what was measured so far is the result
        gone = time.perf_counter() - started
        readings = list(self.readings)
        self._stop.set()
        for thread in threads:
            thread.join(GRACE)
        if self.errors and not readings:
            raise self.errors[0]
        return summarise(readings, gone)

    def _read(self, rank: int) -> None:
        # Every reader takes `batch_size` samples of each step, as so many training processes would.
        shard = Shard(self.batch_size * self.concurrency, rank, self.concurrency)
        request = StreamRequest(seed=self.seed, start=0, stop=None, shard=shard, layout=self.layout)
        try:
            with self.make_client() as client, closing(client.packed_stream(request)) as batches:
                while not self._stop.is_set():
                    began = time.perf_counter()
                    packed = next(batches)
                    there = time.perf_counter()
                    if self.render:
                        packed.render()
                    rendering = time.perf_counter() - there if self.render else 0.0
                    self.readings.append(Reading(len(packed), packed.wire_bytes, there - began, rendering))
        except ClientError as error:
            self.errors.append(error)
            self._stop.set()


def _render_once() -> None:
    """Render something, as a batch from the wire is rendered, so that compiling the kernels is not measured."""
    config = preset("cornernet_saccade")
    arrays: Arrays = {
        "crop": np.zeros((*config.input_size, 3), np.uint8),
        "colour": np.zeros((3, 4), np.float32),
        "boxes": np.array([[1, 1, 60, 60, 1], [1, 1, 9, 9, 1]], np.float32),
        "objects": np.array([1, 0], np.uint8),
    }
    for array in arrays.values():
        array.flags.writeable = False  # as those from the wire are, for which kernels are compiled apart
    unpack_batch([arrays], "compact", config, allocate(config, 1, batch=1), fastest_kernels())
