"""The memory that trainer and loader worker share: slots, each with the arrays of one batch.

It is anonymous shared memory, freed when the last process closes it.
"""

import mmap
import os
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sampler.array_table import compact_table, dense_table
from sampler.arrays import Arrays, ArraySpec
from sampler.layouts.batch_buffer import buffer_arrays, buffer_size
from sampler.memory.shared_memory import create_shared_memory
from sampler.wire.spec import ServiceSpec

PAGE = 4096
"""Slots start at multiples of it."""


@dataclass(frozen=True, slots=True)
class SlotForm:
    """The arrays of a slot: those of `table`, each of `batch` samples, concatenated."""

    table: tuple[ArraySpec, ...]
    batch: int

    @classmethod
    def of(cls, spec: ServiceSpec, batch: int, *, render: bool) -> Self:
        """Return the form of slots for batches of `batch` samples.

        render: True for rendered batches: every array of the dense array table. False for batches to render elsewhere:
        `crop` (B, S, S, 3) uint8 and `colour` (B, 3, 4) float32. Boxes vary in number, and do not travel in the slot.
        """
        if render:
            return cls(dense_table(spec.config, spec.categories), batch)
        return cls(tuple(row for row in compact_table(spec.config) if row.is_fixed), batch)

    @property
    def size(self) -> int:
        """Bytes of a slot, in whole pages."""
        return -(-buffer_size(self.table, self.batch) // PAGE) * PAGE

    @property
    def payload(self) -> int:
        return self.batch * sum(spec.nbytes for spec in self.table)

    def arrays(self, slot: NDArray[np.uint8]) -> Arrays:
        """Return the arrays in a slot by name, as views. slot: (`size`,) uint8."""
        return buffer_arrays(slot, self.table, self.batch)


class SharedSlots:
    """`count` slots of `slot_bytes` each, mapped into this process.

    Pages that were never written take no memory. The mapping lives as long as a view of it; `close` closes the
    descriptor only.
    """

    def __init__(self, descriptor: int, count: int, slot_bytes: int) -> None:
        """Map memory that `create` made, here or in another process; takes over the descriptor. Raises OSError."""
        self.descriptor = descriptor
        self.count = count
        self.slot_bytes = slot_bytes
        self.memory = memoryview(mmap.mmap(descriptor, count * slot_bytes))

    @classmethod
    def create(cls, count: int, slot_bytes: int, descriptor: int | None = None) -> Self:
        """Return new slots, filled with zeros. Raises OSError if there is no memory or descriptor for them.

        descriptor: of empty shared memory, which this takes over; new memory by default.
        """
        if descriptor is None:
            descriptor = create_shared_memory(0)
        try:
            os.ftruncate(descriptor, count * slot_bytes)
            return cls(descriptor, count, slot_bytes)
        except BaseException:
            os.close(descriptor)
            raise

    def slot(self, number: int) -> memoryview:
        start = number * self.slot_bytes
        return self.memory[start : start + self.slot_bytes]

    def close(self) -> None:
        """Close the descriptor; views stay valid. May be called again."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
