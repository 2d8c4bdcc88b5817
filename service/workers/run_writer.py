"""Making runs: a worker writes the samples of a run into a slab of the arena."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sampler.arrays import LAYOUTS
from sampler.config.schema import SamplerConfig
from sampler.kernels.compiled.kernels import COMPILED
from sampler.ops.boxes import Boxes
from sampler.ops.resize import Image
from sampler.sample.sample import SampleSource
from sampler.stream.keys import SampleKey
from sampler.wire.sample_writer import largest_message, write_sample
from service.arena import CHUNK, PROGRESS_BYTES, AttachedArena
from service.workers.protocol import RunJob, RunResult


@dataclass(frozen=True, slots=True)
class RunWriter:
    """Makes runs. problem: returns the problem document of an exception."""

    dataset: SampleSource
    config: SamplerConfig
    categories: int
    arena: AttachedArena
    problem: Callable[[Exception], dict[str, Any]]

    def write(self, job: RunJob) -> RunResult:
        """Write a run up to its end or to the first sample that fails."""
        # A sparse message is nearly always far smaller than its bound; memory that is not used is not to be touched.
        expected = min(job.capacity, CHUNK) if job.layout == "sparse" else job.capacity
        self.arena.populate(job.offset, job.offset + expected)
        memory = self.arena.part(job.offset, job.capacity)
        progress = self.arena.part(job.offset + job.capacity, PROGRESS_BYTES)
        lengths: list[int] = []
        used = 0
        for done, key in enumerate(job.keys):
            progress[:] = done.to_bytes(PROGRESS_BYTES, "little")
            try:
                length = write_sample(
                    memory[used:], job.first + done, self.dataset, self.config, self.categories, key,
                    augment=job.augment, layout=job.layout, kernels=COMPILED,
                )  # fmt: skip
            except Exception as error:  # noqa: BLE001 - one bad sample must not end the worker; the server is told
                return RunResult(tuple(lengths), self.problem(error))
            lengths.append(length)
            used += length
        return RunResult(tuple(lengths))


class _BlankDataset:
    """Black images with one box, for warming up."""

    def read(self, index: int) -> Image:  # noqa: ARG002 - all are equal
        return np.zeros((320, 320, 3), np.uint8)

    def size(self, index: int) -> tuple[int, int]:  # noqa: ARG002 - all are equal
        return 320, 320

    def boxes(self, index: int, keep_crowd: bool = True) -> Boxes:  # noqa: ARG002 - all are equal
        return np.array([[8, 8, 200, 160, 1]], np.float32)


def warm_up(config: SamplerConfig, categories: int) -> None:
    """Make samples of each layout, so that the first request finds everything loaded and compiled."""
    dataset = _BlankDataset()
    for layout in LAYOUTS:
        memory = memoryview(bytearray(largest_message(layout, config, categories, 1)))
        for index in range(2):
            key = SampleKey(0, 0, index)
            write_sample(memory, 0, dataset, config, categories, key, layout=layout, kernels=COMPILED)
