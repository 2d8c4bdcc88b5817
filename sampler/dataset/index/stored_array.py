"""Arrays in files that are read when they are used, without mapping the files.

If another process truncates a mapped file, reading the mapping kills the process (SIGBUS). Workers may die and are
replaced; a server may not. So a server reads.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sampler.npy_file import read_npy_header

_PIECE_BYTES = 4 << 20

Array = npt.NDArray[np.generic]


class StoredArray:
    """A C-ordered array in an `.npy` file. Each access reads the rows that it needs.

    It can be indexed, iterated and given to NumPy like the array. Accesses raise OSError if the file is gone, and
    EOFError if it is shorter than before.
    """

    def __init__(self, file: Path) -> None:
        """Read the header of the file. Raises OSError, or ValueError if the file is no such array."""
        self._file = file
        with file.open("rb") as stream:
            self.shape, self.dtype, self._start = read_npy_header(stream, file.name)
        self._row = self.dtype.itemsize * int(np.prod(self.shape[1:], dtype=np.int64))

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            if step == 1:
                return self._read(start, max(start, stop))
        elif hasattr(key, "__index__"):
            place = range(len(self))[key]
            return self._read(place, place + 1)[0]
        return np.asarray(self)[key]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        array = self._read(0, len(self))
        return array if dtype is None else array.astype(dtype, copy=False)

    def tolist(self) -> list[Any]:
        """Return the whole array as lists."""
        listed: list[Any] = np.asarray(self).tolist()
        return listed

    def tobytes(self) -> bytes:
        """Return the bytes of the whole array."""
        return np.asarray(self).tobytes()

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes of the whole array, a few megabytes at a time."""
        rows = max(1, _PIECE_BYTES // max(self._row, 1))
        for start in range(0, len(self), rows):
            yield self._read(start, min(start + rows, len(self))).tobytes()

    def _read(self, start: int, stop: int) -> Array:
        array = np.empty((stop - start, *self.shape[1:]), self.dtype)
        rest, offset = array.reshape(-1).view(np.uint8).data, self._start + start * self._row
        with self._file.open("rb", buffering=0) as stream:
            while rest:
                count = os.preadv(stream.fileno(), [rest], offset)
                if not count:
                    raise EOFError(f"{self._file}: ends before byte {offset + len(rest)}")
                rest, offset = rest[count:], offset + count
        return array
