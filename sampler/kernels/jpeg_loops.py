"""The compiled loops for JPEG data. There are none in NumPy, so entry points need Numba, which every server has."""

import functools
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sampler.undisturbed import import_undisturbed

Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]
Codes = NDArray[np.uint32]
Grid = tuple[int, int, int, int]
Layout = tuple[int, int, int, int, int, int, int, int]


class JpegLoops(Protocol):
    """The functions of `jpeg_scan`, `jpeg_table` and `jpeg_window` in `sampler.kernels.compiled`, described there."""

    def scan(
        self, data: Bytes, start: int, blocks: Sequence[tuple[int, int, int]], tables: Bytes, grid: Grid
    ) -> tuple[int, Integers, Integers]: ...

    def pack(self, points: Integers, multiple: int, lowest: int, layout: Layout, size: int) -> bytes: ...

    def is_valid(self, table: Bytes, codes: Codes, layout: Layout, length: int) -> bool: ...

    def copy_window(
        self,
        data: Bytes,
        table: Bytes,
        codes: Codes,
        layout: Layout,
        part: tuple[int, int, int, int],
        scan: tuple[int, int],
        lowest: int,
        restart: int,
        header: bytes,
    ) -> bytes | None: ...


@functools.cache
def jpeg_loops() -> JpegLoops:
    """Return the compiled loops. Their code is cached with that of the kernels."""
    # Imported by name because it needs LLVM, which comes with Numba and is optional.
    loops: JpegLoops = import_undisturbed("sampler.kernels.compiled.kernels").JPEG_LOOPS
    return loops
