"""The worker: does the server's jobs, one after another."""

import json
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Self

import cv2
import msgpack
import numpy as np

from sampler.arrays import LAYOUTS
from sampler.config_schema import SamplerConfig
from sampler.dataset.dataset import Dataset
from sampler.dataset.images.entry_points import part_decoder
from sampler.dataset.images.notes import ImageNote
from sampler.dataset.images.part_decoding import DecodeCounts
from sampler.errors import SamplerError
from sampler.image_part import ImagePart, Region
from sampler.ipc.child_process import exit_with_parent
from sampler.ipc.frames import FrameSocket
from sampler.kernels.compiled.kernels import COMPILED
from sampler.kernels.compiled.kernels import warm_up as warm_up_kernels
from sampler.memory.freed_memory import release_freed_memory
from sampler.ops.boxes import Boxes
from sampler.printable import indented
from sampler.sample.sample import plan_samples
from sampler.stream.keys import SampleKey
from sampler.wire.sample_writer import largest_message, write_sample
from service.arena import CHUNK, PROGRESS_BYTES, AttachedArena
from service.errors.problems import Problem, problem, problem_of
from service.workers.datasets import WorkerDataset, open_datasets
from service.workers.images import images_document
from service.workers.memory_limit import limit_memory
from service.workers.notices import Outbox
from service.workers.protocol import (
    STARTING,
    ImagesJob,
    Job,
    Outcome,
    Reply,
    RunJob,
    RunResult,
    ViewJob,
    WorkerSetup,
    decode_job,
)
from service.workers.upcoming import UpcomingJobs

RELEASE_SECONDS = 10.0
"""Interval at which a busy worker returns freed memory to the system. That takes a millisecond; where large images make
it allocate the memory again, some 30."""


View = Callable[[WorkerDataset, ViewJob], bytes]
"""Makes a view for a page, with the dataset and the config of the job."""


def serve(server: FrameSocket, views: Mapping[str, View]) -> None:
    """Reply to jobs until the server is gone. views: by the kind of their jobs."""
    setup = server.read()
    if setup is None:
        return
    try:
        compiling = Reply(STARTING, Outcome.COMPILING, b"").encode()
        with exit_with_parent():
            worker = Worker.start(WorkerSetup.decode(setup), views, lambda: server.send(compiling))
    except Exception as error:  # noqa: BLE001 - sent to the server, which logs it
        server.send(Reply(STARTING, Outcome.FAILED, msgpack.packb(_problem(error))).encode())
        return
    server.send(Reply(STARTING, Outcome.READY, b"").encode())
    released = time.monotonic()
    upcoming = UpcomingJobs(server, worker.read_ahead) if worker.is_remote else None
    look = None if upcoming is None else upcoming.look
    while (received := _next_job(server) if upcoming is None else upcoming.next()) is not None:
        number, job = received
        begun = time.perf_counter()
        try:
            outcome, payload = Outcome.DONE, worker.do(job, look)
        except Exception as error:  # noqa: BLE001 - sent to the server; one bad sample must not end the worker
            outcome, payload = Outcome.FAILED, msgpack.packb(_problem(error))
        seconds = time.perf_counter() - begun
        news = worker.outbox.take(), worker.counts.take(), seconds, worker.take_seconds()
        server.send(Reply(number, outcome, payload, *news).encode())
        if time.monotonic() - released >= RELEASE_SECONDS:
            release_freed_memory()
            released = time.monotonic()


def _next_job(server: FrameSocket) -> tuple[int, Job] | None:
    message = server.read()
    return None if message is None else decode_job(message)


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker that is ready.

    Attributes:
        datasets: The datasets by number.
        arena: None if it gets no runs to make.
        views: What makes views, by the kind of their jobs.
        counts: How image files of all datasets were decoded since the last reply.
        outbox: Notices that were not sent yet.
        sample_seconds: How long each sample took that was made since the last reply.
    """

    datasets: tuple[WorkerDataset, ...]
    arena: AttachedArena | None
    views: Mapping[str, View]
    counts: DecodeCounts
    outbox: Outbox = field(default_factory=Outbox)
    sample_seconds: list[float] = field(default_factory=list)

    @classmethod
    def start(
        cls, setup: WorkerSetup, views: Mapping[str, View], on_compile: Callable[[], None] = lambda: None
    ) -> Self:
        """Load, compile and open everything that jobs need. Raises `SamplerError`.

        Args:
            setup: What the worker needs.
            views: What makes views, by the kind of their jobs.
            on_compile: Called before kernels are compiled.
        """
        cv2.setNumThreads(1)  # there is one worker per CPU; OpenCV's own threads would only compete
        warm_up_kernels(setup.kernel_cache, on_compile)
        counts = DecodeCounts()
        datasets = open_datasets(setup, counts)
        for opened in datasets:
            warm_up(opened.config, opened.categories)
        if any(opened.dataset.decoder is not None for opened in datasets):
            part_decoder.warm_up()
        arena = None if setup.arena is None else AttachedArena(setup.arena)
        if arena is not None:
            arena.populate(0, setup.warm_bytes)
        if setup.memory is not None:
            limit_memory(setup.memory + sum(opened.dataset.images.read_ahead_bytes for opened in datasets))
        worker = cls(datasets, arena, views, counts)
        for number, opened in enumerate(datasets):
            _notify(opened.dataset, worker.outbox.listener(number, opened.dataset))
        return worker

    @property
    def is_remote(self) -> bool:
        """Whether images of any dataset are fetched from another host."""
        return any(opened.dataset.images.is_remote for opened in self.datasets)

    def read_ahead(self, job: Job) -> None:
        """Begin to fetch the images of a run, if they are remote. Raises `SamplerError` for invalid keys."""
        dataset = self.datasets[job.dataset].dataset
        if isinstance(job, RunJob) and dataset.images.is_remote:
            dataset.read_ahead(job.keys)

    def do(self, job: Job, between: Callable[[], None] | None = None) -> bytes:
        """Return the payload of the reply to a job. between: Called before each sample of a run."""
        if isinstance(job, RunJob):
            return self._write_run(job, between).encode()
        if isinstance(job, ImagesJob):
            return _json(images_document(self.datasets[job.dataset].dataset, job.indices))
        opened = self.datasets[job.dataset]
        config = job.options.get("config")
        return self.views[job.kind](opened if config is None else opened.with_config(config), job)

    def take_seconds(self) -> tuple[float, ...]:
        """Remove and return the times of samples."""
        taken = tuple(self.sample_seconds)
        self.sample_seconds.clear()
        return taken

    def _write_run(self, job: RunJob, between: Callable[[], None] | None) -> RunResult:
        """Write a run into its slab, up to its end or to the first sample that fails."""
        if self.arena is None:
            raise RuntimeError("the worker has no arena to write runs to")
        # A sparse message is nearly always far smaller than its bound; memory that is not used is not to be touched.
        opened = self.datasets[job.dataset]
        expected = min(job.capacity, CHUNK) if job.layout == "sparse" else job.capacity
        self.arena.populate(job.offset, job.offset + expected)
        memory = self.arena.part(job.offset, job.capacity)
        progress = self.arena.part(job.offset + job.capacity, PROGRESS_BYTES)
        lengths: list[int] = []
        used = 0
        progress[:] = bytes(PROGRESS_BYTES)
        begun = time.perf_counter()
        plans = plan_samples(opened.dataset, opened.config, job.keys, job.augment, COMPILED)
        for done, (key, planned) in enumerate(zip_longest(job.keys, plans)):
            progress[:] = done.to_bytes(PROGRESS_BYTES, "little")
            if between is not None:
                between()
            try:
                length = write_sample(
                    memory[used:], job.first + done, opened.dataset, opened.config, opened.categories, key,
                    augment=job.augment, layout=job.layout, kernels=COMPILED, planned=planned,
                )  # fmt: skip
            except Exception as error:  # noqa: BLE001 - one bad sample must not end the worker; the server is told
                return RunResult(tuple(lengths), _problem(error))
            lengths.append(length)
            used += length
            before, begun = begun, time.perf_counter()
            self.sample_seconds.append(begun - before)
        return RunResult(tuple(lengths))


def _notify(dataset: Dataset, listener: Callable[[int, ImageNote], None]) -> None:
    """Let a dataset and its store report what is unusual about images."""
    dataset.notify = listener
    if dataset.store is not None:
        text = f"its pixels in the decoded store {dataset.store.folder.name} are damaged; its file is read instead"
        note = ImageNote("store-damaged", f"{text}; run `saccade-sampler decode` to repair the store")
        dataset.store.report = lambda index: listener(index, note)


class _BlankDataset:
    """Black images with one box, for warming up."""

    def read(self, index: int, region: Region | None = None) -> ImagePart:  # noqa: ARG002 - all are equal
        return ImagePart(np.zeros((320, 320, 3), np.uint8))

    def image_of(self, key: SampleKey) -> int:
        return key.index

    def size(self, index: int) -> tuple[int, int]:  # noqa: ARG002 - all are equal
        return 320, 320

    def boxes(self, index: int, keep_crowd: bool = True) -> Boxes:  # noqa: ARG002 - all are equal
        return np.array([[8, 8, 200, 160, 1]], np.float32)


def warm_up(config: SamplerConfig, categories: int) -> None:
    """Make samples of each layout, so that the first request finds everything loaded and compiled."""
    for layout in LAYOUTS:
        memory = memoryview(bytearray(largest_message(layout, config, categories, 1)))
        for index in range(2):
            key = SampleKey(0, 0, index)
            write_sample(memory, 0, _BlankDataset(), config, categories, key, layout=layout, kernels=COMPILED)


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, allow_nan=False).encode()


def _problem(error: Exception) -> Problem:
    if isinstance(error, MemoryError):
        return problem("worker", "the sample takes more memory than a worker may use; raise SAMPLER_WORKER_MEMORY_MB")
    if not isinstance(error, SamplerError):  # a bug: the stack trace helps
        print(f"worker failed:\n{indented(''.join(traceback.format_exception(error)))}", file=sys.stderr, flush=True)
    return problem_of(error)
