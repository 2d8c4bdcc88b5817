"""Named arrays: the layouts that a sample can have, and the specification of one array."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

Layout = Literal["compact", "sparse", "dense"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)

Arrays = dict[str, NDArray[Any]]
ArrayMap = Mapping[str, NDArray[Any]]
Booleans = NDArray[np.bool_]
Integers = NDArray[np.int64]
Floats = NDArray[np.float32]
Dimension = int | str


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """One array of a sample.

    Attributes:
        name: Name of the array.
        dtype: NumPy type string, little-endian.
        shape: Integers, or a letter for a length that varies; equal letters in a sample are equal lengths.
        meaning: One line for users, part of `/v1/spec`.
        background: Value of every element that no box has drawn into.
        sparse: For planes that the sparse layout sends as coordinates and values: the letter for the number of
            coordinates. Such an array is float32 of shape (C, height, width). None: the array is sent whole.
    """

    name: str
    dtype: str
    shape: tuple[Dimension, ...]
    meaning: str
    background: float = 0
    sparse: str | None = None

    @property
    def is_fixed(self) -> bool:
        """Whether the array has the same shape in every sample."""
        return all(isinstance(side, int) for side in self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the array in one sample. The shape must be fixed."""
        return math.prod(int(side) for side in self.shape) * np.dtype(self.dtype).itemsize

    def as_dict(self) -> dict[str, Any]:
        """Return the row of the array table that `/v1/spec` shows."""
        return {"name": self.name, "dtype": self.dtype, "shape": list(self.shape), "meaning": self.meaning,
                "background": self.background}  # fmt: skip
