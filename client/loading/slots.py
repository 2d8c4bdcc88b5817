"""Memory that the loader and its process share: a ring of slots, each with the arrays of one batch.

The memory has no name: it is a descriptor that the process is started with. So nothing is left behind however either
side ends, and the last mapping that goes away frees it.
"""

import mmap
import os
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sampler.array_table import compact_table, dense_table
from sampler.arrays import Arrays, ArraySpec
from sampler.config.schema import SamplerConfig
from sampler.layouts.batch_buffer import buffer_arrays, buffer_size
from sampler.memory.shared_memory import create_shared_memory

PAGE = 4096
"""Bytes that each slot starts at a multiple of."""


@dataclass(frozen=True, slots=True)
class SlotForm:
    """Which arrays a slot holds, one after another: those of fixed shape in `table`, each of `batch` samples."""

    table: tuple[ArraySpec, ...]
    batch: int

    @classmethod
    def dense(cls, config: SamplerConfig, categories: int, batch: int) -> Self:
        """Return the form of a batch that is rendered: every array of the dense array table with B in front."""
        return cls(dense_table(config, categories), batch)

    @classmethod
    def compact(cls, config: SamplerConfig, categories: int, batch: int) -> Self:  # noqa: ARG003 - the signature of `dense`
        """Return the form of a batch to be rendered elsewhere: `crop` (B, S, S, 3) uint8, `colour` (B, 3, 4) float32.

        Boxes vary in number and are small; they travel beside the slot.
        """
        return cls(tuple(spec for spec in compact_table(config) if spec.is_fixed), batch)

    @property
    def size(self) -> int:
        """Bytes of a slot, whole pages."""
        return -(-buffer_size(self.table, self.batch) // PAGE) * PAGE

    @property
    def payload(self) -> int:
        """Bytes of all arrays."""
        return self.batch * sum(spec.nbytes for spec in self.table)

    def arrays(self, slot: NDArray[np.uint8]) -> Arrays:
        """Return the arrays that lie in a slot, by name, as views of it. slot: (`size`,) uint8."""
        return buffer_arrays(slot, self.table, self.batch)


class SharedSlots:
    """`count` slots of `slot_bytes` each, mapped into this process.

    Pages that were never written cost nothing. The mapping lives as long as a view of it; `close` gives back the
    descriptor alone.
    """

    def __init__(self, descriptor: int, count: int, slot_bytes: int) -> None:
        """Map memory that `create` made, here or in another process; takes over the descriptor. Raises OSError."""
        self.descriptor = descriptor
        self.count = count
        self.slot_bytes = slot_bytes
        self._memory = memoryview(mmap.mmap(descriptor, count * slot_bytes))

    @classmethod
    def create(cls, count: int, slot_bytes: int) -> Self:
        """Return new slots, all zeros. Raises OSError where there is no memory or descriptor for them."""
        descriptor = create_shared_memory(count * slot_bytes)
        try:
            return cls(descriptor, count, slot_bytes)
        except BaseException:
            os.close(descriptor)
            raise

    @property
    def memory(self) -> memoryview:
        """All slots, one after another."""
        return self._memory

    def slot(self, number: int) -> memoryview:
        """Return the memory of slot 0 … count−1."""
        start = number * self.slot_bytes
        return self._memory[start : start + self.slot_bytes]

    def close(self) -> None:
        """Give back the descriptor; views stay valid. May be called again."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
