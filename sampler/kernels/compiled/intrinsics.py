"""Instructions that Numba does not offer: several pixels at a time in vector registers, and numbers at any address.

The vectors are generic: LLVM turns them into the instructions of the machine. Positions and addresses are not checked.
Arrays inside a message start anywhere. A kernel that takes arrays is compiled again for each alignment; one that takes
addresses is compiled once.
"""

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numpy.typing import NDArray

from sampler.kernels.compiled.jit import cgutils, intrinsic, types

LANES = 16
"""Values that `blend_values` and `colour_pixels` compute at a time."""

FLOAT, LONG = 4, 8
"""Bytes of a float32 and of an int64."""

_BYTE, _SHORT, _WORD, _FLOAT = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.FloatType()


@intrinsic
def blend_pixel(_typing: Any, row: Any, first: Any, weights: Any, number: Any, out: Any) -> tuple[Any, Any]:
    """Set out[3·k … 3·k+3] to (row[first …] · weights[k, 0] + row[first+3 …] · weights[k, 1]) >> 4, k = `number`.

    row: contiguous uint8, of which eight are read, starting at `first`. weights: contiguous (n, 2) int16. out:
    contiguous int16; a fourth value is written after the three of a pixel.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        arrays = _data(context, builder, signature, values, (0, 2, 4))
        pixels = _load(builder, arrays[0], values[1], _BYTE, 8)
        pairs = builder.sext(builder.zext(_shuffle(builder, pixels, (0, 3, 1, 4, 2, 5, 6, 7)), _vector(_SHORT, 8)),
                             _vector(_WORD, 8))  # fmt: skip
        both = _load(builder, arrays[1], builder.shl(values[3], _long(1)), _SHORT, 2)
        spread = builder.sext(_shuffle(builder, both, (0, 1) * 4), _vector(_WORD, 8))
        products = builder.mul(pairs, spread)
        total = builder.add(_shuffle(builder, products, (0, 2, 4, 6)), _shuffle(builder, products, (1, 3, 5, 7)))
        blended = builder.trunc(builder.lshr(total, _splat(_WORD, 4, 4)), _vector(_SHORT, 4))
        _store(builder, arrays[2], builder.mul(values[3], _long(3)), blended, 2)
        return context.get_dummy_value()

    return types.void(row, first, weights, number, out), generate


@intrinsic
def blend_values(
    _typing: Any, top: Any, bottom: Any, weight: Any, other: Any, out: Any, place: Any, sums: Any
) -> tuple[Any, Any]:
    """Set `LANES` uint8 of `out`, starting at `place`, to (((top·weight) >> 16) + ((bottom·other) >> 16) + 2) >> 2.

    top, bottom: contiguous int16, not negative. weight, other: int16. sums: contiguous uint16 to add them to.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        arrays = _data(context, builder, signature, values, (0, 1, 4, 6))

        def cut(data: Any, factor: Any) -> Any:
            wide = builder.sext(_load(builder, data, values[5], _SHORT, LANES), _vector(_WORD, LANES))
            factors = builder.sext(_spread(builder, factor, _SHORT, LANES), _vector(_WORD, LANES))
            high = builder.ashr(builder.mul(wide, factors), _splat(_WORD, LANES, 16))
            return builder.trunc(high, _vector(_SHORT, LANES))

        total = builder.add(cut(arrays[0], values[2]), cut(arrays[1], values[3]))
        rounded = builder.lshr(builder.add(total, _splat(_SHORT, LANES, 2)), _splat(_SHORT, LANES, 2))
        _store(builder, arrays[2], values[5], builder.trunc(rounded, _vector(_BYTE, LANES)), 1)
        added = builder.add(_load(builder, arrays[3], values[5], _SHORT, LANES), rounded)
        _store(builder, arrays[3], values[5], added, 2)
        return context.get_dummy_value()

    return types.void(top, bottom, weight, other, out, place, sums), generate


@intrinsic
def colour_pixels(_typing: Any, pixels: Any, matrix: Any, first: Any, address: Any, plane: Any) -> tuple[Any, Any]:
    """Write `LANES` pixels, starting at pixel `first`, times a matrix, to three float32 planes.

    pixels: contiguous uint8, B, G, R per pixel. matrix: twelve float32, row by row; each channel is
    ((m₀·B + m₁·G) + m₂·R) + m₃. address: int64, of the first plane. plane: int64, pixels of a plane.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        (data,) = _data(context, builder, signature, values, (0,))
        start = builder.mul(values[2], _long(3))
        packed = _load(builder, data, start, _BYTE, 3 * LANES)
        colours = [
            builder.uitofp(_shuffle(builder, packed, range(channel, 3 * LANES, 3)), _vector(_FLOAT, LANES))
            for channel in range(3)
        ]
        factors = [_spread(builder, builder.extract_value(values[1], n), _FLOAT, LANES) for n in range(12)]
        for channel in range(3):
            row = factors[4 * channel : 4 * channel + 4]
            total = builder.fmul(row[0], colours[0])
            for k in (1, 2):
                total = builder.fadd(total, builder.fmul(row[k], colours[k]))
            place = builder.add(values[2], builder.mul(values[4], _long(channel)))
            target = builder.inttoptr(values[3], _FLOAT.as_pointer())
            _store(builder, target, place, builder.fadd(total, row[3]), 1)
        return context.get_dummy_value()

    return types.void(pixels, matrix, first, address, plane), generate


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
        return builder.load(builder.inttoptr(values[0], _FLOAT.as_pointer()), align=1)

    return types.float32(address), generate


def address_of(array: NDArray[Any]) -> int:
    """Return the address of an array's first element."""
    address: int = array.__array_interface__["data"][0]
    return address


@intrinsic
def prefetch(_typing: Any, row: Any, position: Any) -> tuple[Any, Any]:
    """Prefetch the cache line of a position of a contiguous uint8 array."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        (data,) = _data(context, builder, signature, values, (0,))
        place = builder.gep(data, [values[1]])
        kind = ir.FunctionType(ir.VoidType(), [place.type, _WORD, _WORD, _WORD])
        hint = cgutils.get_or_insert_function(builder.module, kind, f"llvm.prefetch.{place.type.intrinsic_name}")
        builder.call(hint, [place, ir.Constant(_WORD, 0), ir.Constant(_WORD, 3), ir.Constant(_WORD, 1)])
        return context.get_dummy_value()

    return types.void(row, position), generate


def _vector(kind: Any, lanes: int) -> Any:
    return ir.VectorType(kind, lanes)


def _long(value: int) -> Any:
    return ir.Constant(ir.IntType(64), value)


def _splat(kind: Any, lanes: int, value: int) -> Any:
    return ir.Constant(_vector(kind, lanes), [value] * lanes)


def _data(context: Any, builder: Any, signature: Any, values: Any, which: Sequence[int]) -> list[Any]:
    """Return pointers to the elements of array arguments."""
    return [context.make_array(signature.args[n])(context, builder, values[n]).data for n in which]


def _load(builder: Any, data: Any, position: Any, kind: Any, lanes: int) -> Any:
    place = builder.bitcast(builder.gep(data, [position]), _vector(kind, lanes).as_pointer())
    return builder.load(place, align=1)


def _store(builder: Any, data: Any, position: Any, vector: Any, align: int) -> None:
    builder.store(vector, builder.bitcast(builder.gep(data, [position]), vector.type.as_pointer()), align=align)


def _shuffle(builder: Any, vector: Any, lanes: Sequence[int]) -> Any:
    chosen = ir.Constant(_vector(_WORD, len(lanes)), list(lanes))
    return builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), chosen)


def _spread(builder: Any, value: Any, kind: Any, lanes: int) -> Any:
    empty = ir.Constant(_vector(kind, lanes), ir.Undefined)
    return _shuffle(builder, builder.insert_element(empty, value, ir.Constant(_WORD, 0)), [0] * lanes)
