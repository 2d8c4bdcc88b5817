"""Corner targets, compiled: one call that checks and measures all boxes of a batch, and one that draws them."""

import numpy as np

from sampler.arrays import ArrayMap, Booleans, Floats, Integers
from sampler.config_schema import SamplerConfig
from sampler.kernels.compiled.intrinsics import FLOAT, LONG, address_of, load_float32, store
from sampler.kernels.compiled.jit import njit
from sampler.ops import targets as reference
from sampler.ops.boxes import Boxes
from sampler.ops.gaussian import bump_table
from sampler.ops.targets import TargetNames, grid_ratios

Bumps = tuple[Floats, Integers]
Grid = tuple[Floats, Integers, Floats, Integers]
"""What all boxes are drawn on: (2,) output cells per input pixel, x and y; (5,) B, C, h, w and the rows of offsets and
tags; of n attention maps (n, 3) input pixels per cell and range of longer sides; their (n, 2) heights and widths."""


@njit(nogil=True)
def _radius(height: int, width: int, min_iou: float) -> np.int64:
    """Return `sampler.ops.gaussian.bump_radius`, operation by operation; −1 if it is not defined."""
    total, area = height + width, width * height
    c1 = area * (1 - min_iou) / (1 + min_iou)
    r1 = (total - np.sqrt(total * total - 4 * c1)) / 2
    b2 = 2 * total
    c2 = (1 - min_iou) * width * height
    r2 = (b2 - np.sqrt(b2 * b2 - 16 * c2)) / 8
    a3 = 4 * min_iou
    b3 = -2 * min_iou * total
    c3 = (min_iou - 1) * width * height
    square = b3 * b3 - 4 * a3 * c3
    if square < 0:
        return np.int64(-1)
    r3 = (b3 + np.sqrt(square)) / (2 * a3)
    return np.int64(max(0.0, min(r1, r2, r3)))


@njit(nogil=True)
def _inside(y: np.float32, x: np.float32, height: int, width: int) -> np.bool_:
    """Whether a position, truncated to a cell, lies in a plane; NaN does not."""
    return y > -1 and x > -1 and y < height and x < width


@njit(nogil=True)
def _attended(box: Floats, low: np.float32, high: np.float32) -> np.bool_:
    longest = max(box[2] - box[0], box[3] - box[1])
    return longest >= low and longest <= high  # type: ignore[no-any-return] # Numba's bool


@njit(nogil=True)
def _middle(start: np.float32, end: np.float32, ratio: np.float32) -> np.float32:
    return (start + end) / np.float32(2) / ratio


@njit(nogil=True)
def _fits(box: Floats, grid: Grid) -> bool:
    """Whether a box's category, corners and cells in attention maps all exist."""
    ratios, shape, attention, sizes = grid
    fits = box[4] >= 1 and box[4] < shape[1] + 1
    fits &= _inside(box[1] * ratios[1], box[0] * ratios[0], shape[2], shape[3])
    fits &= _inside(box[3] * ratios[1], box[2] * ratios[0], shape[2], shape[3])
    for number in range(attention.shape[0]):
        ratio = attention[number, 0]
        y, x = _middle(box[1], box[3], ratio), _middle(box[0], box[2], ratio)
        if _attended(box, attention[number, 1], attention[number, 2]):
            fits &= _inside(y, x, sizes[number, 0], sizes[number, 1])
    return bool(fits)


@njit(nogil=True)
def _partitions(starts: Integers, count: int) -> bool:
    """Whether starts ascend from 0 to `count`."""
    ascending = starts[0] == 0 and starts[-1] == count
    for sample in range(starts.shape[0] - 1):
        ascending &= starts[sample] <= starts[sample + 1]
    return bool(ascending)


@njit(nogil=True)
def _measure(boxes: Floats, starts: Integers, grid: Grid, fixed: int, min_iou: float, radii: Integers) -> int:
    """Fill in the radius of each box, `fixed` unless that is −1.

    Returns −1; or the first box that is outside; or the number of boxes if `starts` does not partition them.
    """
    count, ratios = int(boxes.shape[0]), grid[0]
    if not _partitions(starts, count):
        return count
    for n in range(count):
        box = boxes[n]
        if not _fits(box, grid):
            return n
        radii[n] = fixed
        if fixed == -1:
            high = np.int64(np.ceil((box[3] - box[1]) * ratios[1]))
            wide = np.int64(np.ceil((box[2] - box[0]) * ratios[0]))
            radii[n] = _radius(high, wide, min_iou)
            if radii[n] < 0:
                return n
    return -1


@njit(nogil=True)
def _bump(
    plane: int, height: int, width: int, y: int, x: int, radius: int, table: Floats, begin: int, clear: bool
) -> None:
    """Draw the bump at `begin` of `table` into the plane at an address, or with `clear` set its square to 0."""
    side, left, right = 2 * radius + 1, max(0, x - radius), min(width, x + radius + 1)
    for row in range(max(0, y - radius), min(height, y + radius + 1)):
        line = plane + FLOAT * (row * width + left)
        first = begin + (row - y + radius) * side + left - x + radius
        for k in range(right - left):
            place = line + FLOAT * k
            value = np.float32(0) if clear else max(load_float32(place), table[first + k])
            store(place, np.float32(value))


@njit(nogil=True)
def _draw_box(
    box: Floats, sample: int, row: int, clear: bool, radius: int, table: Floats, begin: int, grid: Grid, out: Integers
) -> None:
    """Draw both corners of an object and its `row` of offsets and tags, if there is one; or `clear` an ignored box."""
    ratios, shape = grid[0], grid[1]
    height, width, rows = shape[2], shape[3], shape[4]
    plane = FLOAT * (sample * shape[1] + np.int64(box[4]) - 1) * height * width
    for corner in range(2):
        x, y = box[2 * corner] * ratios[0], box[2 * corner + 1] * ratios[1]
        column, line = np.int64(x), np.int64(y)
        planes = out[4 * corner + 1] if clear else out[4 * corner]
        _bump(planes + plane, height, width, line, column, radius, table, begin, clear)
        if not clear and row < rows:
            place = sample * rows + row
            store(out[4 * corner + 2] + 2 * FLOAT * place, np.float32(x - np.float32(column)))
            store(out[4 * corner + 2] + 2 * FLOAT * place + FLOAT, np.float32(y - np.float32(line)))
            store(out[4 * corner + 3] + LONG * place, np.int64(line * width + column))


@njit(nogil=True)
def _draw(
    boxes: Floats, objects: Booleans, starts: Integers, grid: Grid, radii: Integers, bumps: Bumps, out: Integers
) -> None:
    """Draw all boxes. out: addresses of the arrays, in the order of `_table`."""
    table, begins = bumps
    _, shape, attention, sizes = grid
    for sample in range(starts.shape[0] - 1):
        row = 0
        for n in range(starts[sample], starts[sample + 1]):
            box, is_object = boxes[n], objects[n]
            _draw_box(box, sample, row, not is_object, radii[n], table, begins[n], grid, out)
            if is_object and row < shape[4]:
                store(out[8] + sample * shape[4] + row, np.uint8(1))
                row += 1
            for number in range(attention.shape[0]):
                if not _attended(box, attention[number, 1], attention[number, 2]):
                    continue
                ratio, height, width = attention[number, 0], sizes[number, 0], sizes[number, 1]
                y, x = np.int64(_middle(box[1], box[3], ratio)), np.int64(_middle(box[0], box[2], ratio))
                store(out[9 + number] + FLOAT * ((sample * height + y) * width + x), np.float32(1))


def draw_targets(
    boxes: Boxes, objects: Booleans, starts: Integers, config: SamplerConfig, names: TargetNames, out: ArrayMap
) -> None:
    """Draw the corner targets of B samples; see `Kernels.draw_targets`.

    Raises:
        IndexError: A box lies outside the crop. Nothing has been drawn.
        ValueError: An array has another dtype or shape, or `starts` does not partition the boxes.
    """
    if not len(boxes):
        return
    shape = (len(starts) - 1, out[names.top_left.heats].shape[1], *config.output_size, config.max_objects)
    addresses = _addresses(_table(config, names, *shape), out)
    if addresses is None or (names.top_left.valids is None and not objects.all()):
        reference.draw_targets(boxes, objects, starts, config, names, out)
        return
    # Small copies of one type each, so that one compiled version serves any input.
    boxes, objects = np.array(boxes, np.float32, order="C"), np.array(objects, np.bool_)
    starts, radii = np.array(starts, np.int64), np.empty(len(boxes), np.int64)
    attention = np.array([(one.ratio, *one.longest) for one in config.attention], np.float32).reshape(-1, 3)
    sizes = np.array([one.size for one in config.attention], np.int64).reshape(-1, 2)
    grid = grid_ratios(config), np.array(shape, np.int64), attention, sizes
    fixed = config.gaussian_radius if config.gaussian_bump else 0
    outside = _measure(boxes, starts, grid, fixed, config.gaussian_iou, radii)
    if outside == len(boxes) or len(objects) != len(boxes):
        raise ValueError(f"starts, objects: expected to partition {len(boxes)} boxes, one object each")
    if outside >= 0:
        raise IndexError(f"boxes[{outside}] = {boxes[outside].tolist()}: expected a box within the crop")
    _draw(boxes, objects, starts, grid, radii, bump_table(radii), addresses)


def _addresses(table: list[tuple[str, str, tuple[int, ...]]], out: ArrayMap) -> Integers | None:
    """Return the (n,) addresses of the arrays in `table`, or None if one is not contiguous. Raises `ValueError`."""
    addresses = np.empty(len(table), np.int64)
    for row, (name, dtype, shape) in enumerate(table):
        array = out[name]
        if array.shape != shape or array.dtype != dtype or not array.flags.writeable:
            raise ValueError(f"{name}: expected a writable {dtype} array of {shape}, not {array.dtype} {array.shape}")
        if not array.flags.c_contiguous:
            return None
        addresses[row] = address_of(array)
    return addresses


def _table(
    config: SamplerConfig, names: TargetNames, batch: int, categories: int, height: int, width: int, rows: int
) -> list[tuple[str, str, tuple[int, ...]]]:
    """Return name, dtype and shape of each array that `_draw` writes, in its order."""
    planes = (batch, categories, height, width)
    table: list[tuple[str, str, tuple[int, ...]]] = []
    for corner in (names.top_left, names.bottom_right):
        table += [
            (corner.heats, "<f4", planes),
            (corner.valids or corner.heats, "<f4", planes),  # without valid masks no box is ignored
            (corner.regrs, "<f4", (batch, rows, 2)),
            (corner.tags, "<i8", (batch, rows)),
        ]
    table.append((names.tag_masks, "|u1", (batch, rows)))
    maps = zip(names.attentions, config.attention, strict=True)
    return table + [(name, "<f4", (batch, 1, *one.size)) for name, one in maps]


KERNELS = (_measure, _draw)
