"""Boxes, compiled: one call in place of a dozen NumPy calls, which take longer for a handful of boxes."""

import numpy as np
from numpy.typing import NDArray

from sampler.arrays import Booleans, Floats, Integers
from sampler.kernels.compiled.jit import njit
from sampler.ops.boxes import VISIBLE_SHARE, Boxes, Frame


@njit(nogil=True)
def _within(value: np.float32, low: np.float32, high: np.float32) -> np.float32:
    """Clip like NumPy: low first, then high; NaN stays NaN."""
    if value < low:
        value = low
    if value > high:
        value = high
    return value


@njit(nogil=True)
def _clip(boxes: Floats, bounds: Floats, out: Floats, rows: Integers) -> int:
    """Write the boxes that remain in left, top, right, bottom, and their rows; return their number."""
    count = 0
    for n in range(boxes.shape[0]):
        for side in range(4):
            low, high = bounds[side & 1], bounds[2 + (side & 1)]
            out[count, side] = _within(boxes[n, side], low, high)
        out[count, 4] = boxes[n, 4]
        rows[count] = n
        count += out[count, 2] > out[count, 0] and out[count, 3] > out[count, 1]
    return count


@njit(nogil=True)
def _scaled(side: np.float32, factor: float, single: bool) -> np.float32:
    """Multiply in the precision of the factor and round once."""
    return side * np.float32(factor) if single else np.float32(np.float64(side) * factor)


@njit(nogil=True)
def _area(x0: np.float32, y0: np.float32, x1: np.float32, y1: np.float32) -> np.float32:
    return (x1 - x0) * (y1 - y0)


@njit(nogil=True, error_model="numpy")
def _frame(
    boxes: Floats,
    image: Floats,
    factor: float,
    single: bool,
    move: Floats,
    filled: Floats,
    flip_in: int,
    least_side: int,
    least_share: float,
    out: Floats,
    objects: Booleans,
    rows: Integers,
) -> tuple[int, int]:
    """Write the boxes in the crop, which are objects, and their rows; return their number, and that in the image.

    The arguments are those of a `Frame`. image, filled: left, top, right, bottom. flip_in: 0 for no flip. single:
    whether the factor is float32. least_share: `VISIBLE_SHARE`, an argument because cached code may not depend on
    globals of other folders.
    """
    inside, inside_rows, mirror = np.empty_like(boxes), np.empty(boxes.shape[0], np.int64), np.float32(flip_in)
    remaining = _clip(boxes, image, inside, inside_rows)
    for n in range(remaining):
        for side in range(4):
            inside[n, side] = _scaled(inside[n, side], factor, single) + move[1 - (side & 1)]
    count = _clip(inside[:remaining], filled, out, rows)
    for n in range(count):
        seen, whole = out[n], boxes[inside_rows[rows[n]]]
        rows[n] = inside_rows[rows[n]]
        if flip_in:
            seen[0], seen[2] = mirror - seen[2] - np.float32(1), mirror - seen[0] - np.float32(1)
        x0, y0 = _scaled(whole[0], factor, single), _scaled(whole[1], factor, single)
        x1, y1 = _scaled(whole[2], factor, single), _scaled(whole[3], factor, single)
        share = _area(seen[0], seen[1], seen[2], seen[3]) / _area(x0, y0, x1, y1)
        wide = np.int64(np.floor(seen[2])) - np.int64(np.floor(seen[0]))
        high = np.int64(np.floor(seen[3])) - np.int64(np.floor(seen[1]))
        objects[n] = share > least_share and max(wide, high) >= least_side
    return count, remaining


def clip_boxes(boxes: Boxes, left: float, top: float, right: float, bottom: float) -> tuple[Boxes, NDArray[np.intp]]:
    """Clip boxes; see `Kernels.clip_boxes`."""
    bounds = np.array((left, top, right, bottom), np.float32)
    out, rows = np.empty((len(boxes), 5), np.float32), np.empty(len(boxes), np.int64)
    count = _clip(np.array(boxes, np.float32, order="C"), bounds, out, rows)
    return out[:count], rows[:count]


def frame_boxes(boxes: Boxes, frame: Frame) -> tuple[Boxes, Booleans, NDArray[np.intp], int]:
    """Find the boxes in a crop; see `Kernels.frame_boxes`."""
    height, width = frame.image
    most = len(boxes)
    out, objects, rows = np.empty((most, 5), np.float32), np.empty(most, np.bool_), np.empty(most, np.int64)
    count, remaining = _frame(
        np.array(boxes, np.float32, order="C"), np.array((0, 0, width - 1, height - 1), np.float32),
        float(frame.factor), isinstance(frame.factor, np.float32), np.array(frame.move, np.float32),
        np.array(frame.filled, np.float32), frame.flip_in or 0, frame.least_side, float(VISIBLE_SHARE),
        out, objects, rows,
    )  # fmt: skip
    return out[:count], objects[:count], rows[:count], remaining


KERNELS = (_clip, _frame)
