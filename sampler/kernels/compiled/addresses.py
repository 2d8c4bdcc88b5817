"""Numbers at addresses that need not be aligned, since arrays inside a message start anywhere.

A kernel that takes arrays is compiled again for each alignment; a kernel that takes addresses is compiled once. Its
caller must have checked that the memory exists, is contiguous and is writable.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped] # it ships no types
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from sampler.arrays import ArrayMap, Integers

FLOAT, LONG = 4, 8
"""Bytes of a float32 and of an int64."""


@intrinsic
def store(_typing: Any, address: Any, value: Any) -> tuple[Any, Any]:
    """Write a number, in its own type, to an int64 address."""

    def generate(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        kind = context.get_value_type(value)
        builder.store(values[1], builder.inttoptr(values[0], kind.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(address, value), generate


@intrinsic
def load_float32(_typing: Any, address: Any) -> tuple[Any, Any]:
    """Return the float32 at an int64 address."""

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        kind = ir.FloatType()
        return builder.load(builder.inttoptr(values[0], kind.as_pointer()), align=1)

    return types.float32(address), generate


def address_of(array: NDArray[Any]) -> int:
    """Return the address of an array's first element."""
    address: int = array.__array_interface__["data"][0]
    return address


def addresses_of(out: ArrayMap, table: Sequence[tuple[str, str, tuple[int, ...]]]) -> Integers | None:
    """Return the (n,) addresses of the arrays in `table` (name, dtype, shape), or None if one is not contiguous.

    Raises:
        ValueError: An array has another dtype or shape, or is read-only.
    """
    places = np.empty(len(table), np.int64)
    for row, (name, dtype, shape) in enumerate(table):
        array = out[name]
        if array.shape != shape or array.dtype != dtype or not array.flags.writeable:
            raise ValueError(f"{name}: expected a writable {dtype} array of {shape}, not {array.dtype} {array.shape}")
        if not array.flags.c_contiguous:
            return None
        places[row] = address_of(array)
    return places
