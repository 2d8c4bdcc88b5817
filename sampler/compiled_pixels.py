"""One pixel at a time in a vector register: four neighbouring bytes blended by two multiplications."""

# mypy: disallow-untyped-decorators=False
# Numba's decorators carry no types.

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped] # it ships no types
from numba.core import types
from numba.extending import intrinsic


@intrinsic
def blend_pixel(
    _typing: Any, row: Any, first: Any, second: Any, weight: Any, other: Any, out: Any, place: Any
) -> tuple[Any, Any]:
    """Set out[place … place+3] to (row[first …] · weight + row[second …] · other) >> 4.

    row: contiguous uint8. first, second, place: int64. weight, other: int32. out: contiguous int16. Neither
    position is checked: four elements from each of them must be there.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        source = context.make_array(signature.args[0])(context, builder, values[0]).data
        target = context.make_array(signature.args[5])(context, builder, values[5]).data
        words = ir.VectorType(ir.IntType(32), 4)

        def scaled(position: Any, factor: Any) -> Any:
            bytes_at = builder.bitcast(builder.gep(source, [position]), ir.VectorType(ir.IntType(8), 4).as_pointer())
            pixel = builder.load(bytes_at, align=1)
            lane = builder.insert_element(ir.Constant(words, ir.Undefined), factor, ir.Constant(ir.IntType(32), 0))
            spread = builder.shuffle_vector(lane, ir.Constant(words, ir.Undefined), ir.Constant(words, [0, 0, 0, 0]))
            return builder.mul(builder.zext(pixel, words), spread)

        total = builder.add(scaled(values[1], values[3]), scaled(values[2], values[4]))
        shifted = builder.lshr(total, ir.Constant(words, [4, 4, 4, 4]))
        shorts = ir.VectorType(ir.IntType(16), 4)
        place_at = builder.bitcast(builder.gep(target, [values[6]]), shorts.as_pointer())
        builder.store(builder.trunc(shifted, shorts), place_at, align=2)
        return context.get_dummy_value()

    return types.void(row, first, second, weight, other, out, place), generate
