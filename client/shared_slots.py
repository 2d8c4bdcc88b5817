"""Memory that the loader and its process share: a ring of slots, each with the arrays of one batch.

The memory has no name: it is a descriptor that the process is started with. So nothing is left behind however either
side ends, and the last mapping that goes away frees it.
"""

import mmap
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sampler.arrays import Arrays, compact_table, dense_table
from sampler.config import SamplerConfig
from sampler.unnamed_file import unnamed_file

ALIGNMENT = 64
"""Bytes that each array within a slot starts at a multiple of: a cache line."""

PAGE = 4096
"""Bytes that each slot starts at a multiple of."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an array lies within a slot."""

    offset: int
    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Its bytes."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True, slots=True)
class SlotForm:
    """Which arrays a slot holds, each of B samples, and where."""

    places: Mapping[str, Place]

    @classmethod
    def dense(cls, config: SamplerConfig, categories: int, batch: int) -> Self:
        """Return the form of a batch that is rendered: every array of the dense array table with B in front."""
        return cls(_placed(dense_table(config, categories), batch))

    @classmethod
    def compact(cls, config: SamplerConfig, categories: int, batch: int) -> Self:
        """Return the form of a batch to be rendered elsewhere: `crop` (B, S, S, 3) uint8, `colour` (B, 3, 4) float32.

        Boxes vary in number and are small; they travel beside the slot.
        """
        table = [spec for spec in compact_table(config, categories) if spec.name in ("crop", "colour")]
        return cls(_placed(tuple(table), batch))

    @property
    def size(self) -> int:
        """Bytes of a slot, whole pages."""
        end = max(place.offset + place.size for place in self.places.values())
        return -(-end // PAGE) * PAGE

    @property
    def payload(self) -> int:
        """Bytes of all arrays."""
        return sum(place.size for place in self.places.values())

    def arrays(self, slot: NDArray[np.uint8]) -> Arrays:
        """Return the arrays that lie in a slot, by name, as views of it. slot: (`size`,) uint8."""
        return {name: _view(slot, place) for name, place in self.places.items()}


def _placed(table: tuple[Any, ...], batch: int) -> dict[str, Place]:
    places: dict[str, Place] = {}
    offset = 0
    for spec in table:
        place = Place(offset, spec.dtype, (batch, *(int(side) for side in spec.shape)))
        places[spec.name] = place
        offset += -(-place.size // ALIGNMENT) * ALIGNMENT
    return places


def _view(slot: NDArray[np.uint8], place: Place) -> NDArray[Any]:
    return slot[place.offset : place.offset + place.size].view(place.dtype).reshape(place.shape)


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
        descriptor = unnamed_file(count * slot_bytes)
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
