"""Array files (`.npy`) as this project writes them: version 1.0, plain numbers in C order.

NumPy evaluates the header of a file as Python, so a damaged one raises almost anything. Here the header must be the
text that NumPy writes for plain arrays, and the array must fit into the file. So nothing but ValueError is raised, and
no memory is allocated for an array that the file does not hold.
"""

import math
import os
import re
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

_MAGIC = b"\x93NUMPY\x01\x00"
_HEADER = re.compile(
    rb"\{'descr': '(\|[biu]1|<[iuf][248])', 'fortran_order': False, 'shape': \(([0-9, ]{1,80})\), \} *\n"
)
_SHAPE = re.compile(rb"[0-9]+,|[0-9]+(?:, [0-9]+)+")


class NpyHeader(NamedTuple):
    """The header of a file. start: where the array begins, in bytes."""

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    start: int


def read_npy_header(stream: BinaryIO, name: str) -> NpyHeader:
    """Return the header of an open file. Raises OSError, and ValueError, which names the file."""
    start = stream.read(len(_MAGIC) + 2)
    length = int.from_bytes(start[len(_MAGIC) :], "little")
    text = stream.read(length)
    found = _HEADER.fullmatch(text)
    if not start.startswith(_MAGIC) or len(text) != length or found is None or not _SHAPE.fullmatch(found[2]):
        raise ValueError(f"{name} does not begin like an array file")
    dtype: np.dtype[np.generic] = np.dtype(found[1].decode())
    header = NpyHeader(tuple(int(side) for side in found[2].split(b",") if side), dtype, len(start) + length)
    size = os.fstat(stream.fileno()).st_size
    needed = header.start + math.prod(header.shape) * dtype.itemsize
    if size < needed:
        raise ValueError(f"{name} is truncated: {size} bytes, expected {needed}")
    return header


def load_npy(file: Path, *, mapped: bool) -> npt.NDArray[np.generic]:
    """Return the array of a file: memory-mapped, read-only, or read. Raises OSError, EOFError or ValueError."""
    with file.open("rb") as stream:
        shape, dtype, start = read_npy_header(stream, file.name)
        if mapped:
            array: npt.NDArray[np.generic] = np.asarray(np.memmap(stream, dtype, "r", start, shape))
            return array
        content: npt.NDArray[np.generic] = np.fromfile(stream, dtype, math.prod(shape))
    if len(content) < math.prod(shape):
        raise EOFError(f"{file.name} became shorter while it was read")
    return content.reshape(shape)
