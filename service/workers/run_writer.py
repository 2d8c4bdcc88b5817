"""A worker's end of the arena: runs of samples, written in place."""

import mmap
import os
import sys
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
from service.arena import PROGRESS_BYTES
from service.workers.protocol import RunAnswer, RunJob

POPULATE_WRITE = 23
"""Linux's MADV_POPULATE_WRITE (5.14 and newer), which Python's `mmap` has no name for before 3.14."""

CHUNK = 1 << 21
"""Bytes of the arena that a process takes at once."""


class AttachedArena:
    """The arena as one worker has it.

    The first touch of each page by each process is a page fault. One at a time, as pages are written, they cost many
    times what they cost when the system is asked for many pages at once; such pages are called met here.
    """

    def __init__(self, descriptor: int) -> None:
        """Attach what is behind a descriptor, which is closed: the memory needs it no more."""
        try:
            self._map = mmap.mmap(descriptor, os.fstat(descriptor).st_size)
        finally:
            os.close(descriptor)
        self._memory = memoryview(self._map)
        self._met: set[int] | None = set() if sys.platform == "linux" else None

    def part(self, start: int, size: int) -> memoryview:
        """Return `size` bytes of it, met already where the system can do that."""
        self.meet(start, start + size)
        return self._memory[start : start + size]

    def meet(self, start: int, stop: int) -> None:
        """Have the bytes start … stop ready to be written, as far as there are as many; they keep their values."""
        for chunk in range(start // CHUNK, -(-min(stop, len(self._memory)) // CHUNK)):
            if self._met is None or chunk in self._met:
                continue
            self._met.add(chunk)
            try:
                self._map.madvise(POPULATE_WRITE, chunk * CHUNK, min(CHUNK, len(self._memory) - chunk * CHUNK))
            except OSError:  # an older kernel: pages are met as they are written
                self._met = None


@dataclass(frozen=True, slots=True)
class RunWriter:
    """Writes runs of samples into the arena. problem: gives the document for what went wrong with a sample."""

    dataset: SampleSource
    config: SamplerConfig
    categories: int
    arena: AttachedArena | None
    problem: Callable[[Exception], dict[str, Any]]

    def write(self, job: RunJob) -> bytes:
        """Write a run; return the answer that says how long its messages are, and which sample failed if one did."""
        if self.arena is None:
            raise RuntimeError("no arena came with the setup: expected none of the jobs that write to it")
        memory = self.arena.part(job.offset, job.room)
        progress = self.arena.part(job.offset + job.room, PROGRESS_BYTES)
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
