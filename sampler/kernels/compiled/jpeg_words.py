"""Numbers at addresses, compiled, for loops that read single bits of JPEG files: arrays would be counted at every call.

Bit streams are read in words of 64 bits whose first byte is the highest. Addresses are not checked.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from sampler.kernels.compiled.jit import cgutils, intrinsic, njit, types

Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]

SHORT, INT, LONG = 2, 4, 8
"""Bytes of a uint16, of a uint32 and of an int64."""

ONES = np.uint64(0x0101010101010101)
HIGHS = np.uint64(0x8080808080808080)

_LONG = ir.IntType(64)


@intrinsic
def address(_typing: Any, array: Any) -> tuple[Any, Any]:
    """Return the int64 address of an array's first element. The array must be in use as long as its address."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        start = context.make_array(signature.args[0])(context, builder, values[0]).data
        return builder.ptrtoint(start, _LONG)

    return types.int64(array), generate


@intrinsic
def load_word(_typing: Any, place: Any) -> tuple[Any, Any]:
    """Return the eight bytes at an int64 address as uint64, the first one in the highest bits."""

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        return _swapped(builder, _load(builder, values[0], 64))

    return types.uint64(place), generate


@intrinsic
def store_word(_typing: Any, place: Any, word: Any) -> tuple[Any, Any]:
    """Write a uint64 to an int64 address, its highest bits first."""

    def generate(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        target = builder.inttoptr(values[0], _LONG.as_pointer())
        builder.store(_swapped(builder, values[1]), target, align=1)
        return context.get_dummy_value()

    return types.void(place, word), generate


def _loader(bits: int, name: str) -> Any:
    """Return an intrinsic that loads a number of so many bits from an int64 address, as int64."""

    def load(_typing: Any, place: Any) -> tuple[Any, Any]:
        def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
            return builder.zext(_load(builder, values[0], bits), _LONG)

        return types.int64(place), generate

    load.__name__ = load.__qualname__ = name
    load.__doc__ = f"Return the {bits} bits at an int64 address, as int64."
    return intrinsic(load)


load_byte = _loader(8, "load_byte")
load_short = _loader(16, "load_short")
load_int = _loader(32, "load_int")
load_long = _loader(64, "load_long")


def _load(builder: Any, place: Any, bits: int) -> Any:
    return builder.load(builder.inttoptr(place, ir.IntType(bits).as_pointer()), align=1)


def _swapped(builder: Any, word: Any) -> Any:
    """Reverse the bytes of 64 bits."""
    kind = ir.FunctionType(_LONG, [_LONG])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.bswap.i64"), [word])


@njit(nogil=True)
def has_marker_byte(word: np.uint64) -> bool:
    """Return whether one of the eight bytes of a word is 0xFF."""
    found: bool = ((~word - ONES) & word & HIGHS) != np.uint64(0)
    return found
