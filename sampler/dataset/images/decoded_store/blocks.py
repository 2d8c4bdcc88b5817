"""Blocks of stored pixels: each has a checksum, and shared memory tells which blocks were checked since the start.

The pixels of an image are cut into blocks of 64 KiB. Behind them, from a multiple of 8 bytes on, follow the XXH3-64 of
each block. Its seed is the number of the image and of the block, so pixels in a wrong place do not match either.
"""

import mmap
import os
import weakref
from typing import Protocol

import numpy as np
import numpy.typing as npt
import xxhash

from sampler.memory.shared_memory import create_shared_memory

BLOCK = 1 << 16
"""Bytes of a block; the last one of an image may be shorter."""

UNCHECKED, SOUND, BROKEN = range(3)
"""States of a block."""

CHECKSUM_BYTES = 8


def block_count(nbytes: int) -> int:
    """Return the number of blocks of `nbytes` bytes of pixels."""
    return -(-nbytes // BLOCK)


def checksums_start(nbytes: int) -> int:
    """Return where the checksums of an image begin, counted from its first byte."""
    return -(-nbytes // CHECKSUM_BYTES) * CHECKSUM_BYTES


def stored_bytes(nbytes: int) -> int:
    """Return the bytes of an image and its checksums together."""
    return checksums_start(nbytes) + CHECKSUM_BYTES * block_count(nbytes)


def blocks_of_rows(rows: tuple[int, int], row_bytes: int) -> tuple[int, int]:
    """Return the blocks [first, last) that hold the rows [start, stop) of an image."""
    start, stop = rows
    if start >= stop:
        return 0, 0
    return start * row_bytes // BLOCK, block_count(stop * row_bytes)


def block_checksum(pixels: memoryview, index: int, block: int) -> int:
    """Return the checksum of a block of an image, whose pixels are given as bytes."""
    return xxhash.xxh3_64_intdigest(pixels[block * BLOCK : (block + 1) * BLOCK], index << 32 | block)


def all_checksums(pixels: memoryview, index: int) -> npt.NDArray[np.uint64]:
    """Return the checksums of all blocks of an image."""
    blocks = range(block_count(len(pixels)))
    return np.array([block_checksum(pixels, index, block) for block in blocks], "<u8")


class BlockStates(Protocol):
    """The state of each block of a store, by the number of the block over all images: a byte each."""

    def __getitem__(self, blocks: slice, /) -> bytes | bytearray: ...

    def __setitem__(self, block: int, state: int, /) -> None: ...


class SharedBlockStates:
    """States of blocks in shared memory: what one process has checked, the others need not check.

    Attributes:
        descriptor: File descriptor of the memory, for a child process to inherit and open.
    """

    def __init__(self, descriptor: int) -> None:
        """Open the memory that `create` made in this or the parent process. Owns its descriptor. Raises OSError."""
        self.descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)
        self._memory = mmap.mmap(descriptor, os.fstat(descriptor).st_size)

    @classmethod
    def create(cls, blocks: int) -> "SharedBlockStates":
        """Return the states of so many blocks, all unchecked. Raises OSError."""
        return cls(create_shared_memory(max(blocks, 1)))

    def __len__(self) -> int:
        return len(self._memory)

    def __getitem__(self, blocks: slice) -> bytes:
        return self._memory[blocks]

    def __setitem__(self, block: int, state: int) -> None:
        self._memory[block] = state
