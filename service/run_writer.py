"""A worker's end of the arena: runs of samples, written in place."""

import mmap
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sampler.arrays import LAYOUTS
from sampler.boxes import Boxes
from sampler.compiled_kernels import COMPILED
from sampler.config import SamplerConfig
from sampler.keys import SampleKey
from sampler.resize import Image
from sampler.sample import ImageSource
from sampler.sample_writer import largest_message, write_sample
from service.arena import PROGRESS_BYTES
from service.jobs import RunAnswer, RunJob


def attach(descriptor: int) -> memoryview:
    """Return the arena behind a descriptor, which is closed: the memory needs it no more."""
    try:
        return memoryview(mmap.mmap(descriptor, os.fstat(descriptor).st_size))
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class RunWriter:
    """Writes runs of samples into the arena. problem: gives the document for what went wrong with a sample."""

    dataset: ImageSource
    config: SamplerConfig
    categories: int
    arena: memoryview
    problem: Callable[[Exception], dict[str, Any]]

    def write(self, job: RunJob) -> bytes:
        """Write a run; return the answer that says how long its messages are, and which sample failed if one did."""
        memory = self.arena[job.offset : job.offset + job.room]
        progress = self.arena[job.offset + job.room :][:PROGRESS_BYTES]
        lengths: list[int] = []
        used = 0
        for done, key in enumerate(job.keys):
            progress[:] = done.to_bytes(PROGRESS_BYTES, "little")
            try:
                length = write_sample(
                    memory[used:], job.first + done, self.dataset, self.config, self.categories, key,
                    augment=job.augment, layout=job.layout, kernels=COMPILED,
                )  # fmt: skip
            except Exception as error:  # noqa: BLE001 - one bad sample must not end the worker; the request is told
                return RunAnswer(tuple(lengths), self.problem(error)).encode()
            lengths.append(length)
            used += length
        return RunAnswer(tuple(lengths)).encode()


class _Blank:
    """An image without content, for practice."""

    def read(self, index: int) -> Image:  # noqa: ARG002 - there is only this one
        return np.zeros((320, 320, 3), np.uint8)

    def size(self, index: int) -> tuple[int, int]:  # noqa: ARG002 - there is only this one
        return 320, 320

    def boxes(self, index: int, keep_crowd: bool = True) -> Boxes:  # noqa: ARG002 - there is only this one
        return np.array([[8, 8, 200, 160, 1]], np.float32)


def practise(config: SamplerConfig, categories: int) -> None:
    """Make a sample of each layout, so that the first one asked for finds everything loaded and compiled."""
    for layout in LAYOUTS:
        scratch = memoryview(bytearray(largest_message(layout, config, categories, 1)))
        for index in range(2):
            write_sample(
                scratch, 0, _Blank(), config, categories, SampleKey(0, 0, index), layout=layout, kernels=COMPILED
            )
