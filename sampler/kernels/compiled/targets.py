"""The targets of a batch in two compiled calls, one that measures all boxes and one that draws them."""

# mypy: disallow-untyped-decorators=False
# Numba's decorators carry no types.

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sampler.config.schema import SamplerConfig
from sampler.kernels.compiled.addresses import FLOAT, LONG, address_of, addresses_of, load_float32, store
from sampler.ops.boxes import Boxes
from sampler.ops.gaussian import bump_table
from sampler.ops.gaussian import stamp_bumps as stamp_bumps_anywhere
from sampler.ops.targets import draw_batch_targets, grid_ratios


@njit(nogil=True)
def _radius(height: int, width: int, min_iou: float) -> np.int64:
    """Do what `sampler.ops.gaussian.bump_radius` does, operation by operation; −1 where it finds none."""
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
    """Whether a place, once its fractions are cut off, lies in a plane; NaN lies in none."""
    return y > -1 and x > -1 and y < height and x < width


@njit(nogil=True)
def _attended(box: NDArray[np.float32], low: np.float32, high: np.float32) -> np.bool_:
    longest = max(box[2] - box[0], box[3] - box[1])
    return longest >= low and longest <= high  # type: ignore[no-any-return] # Numba's bool


@njit(nogil=True)
def _middle(start: np.float32, end: np.float32, ratio: np.float32) -> np.float32:
    return (start + end) / np.float32(2) / ratio


@njit(nogil=True)
def _fits(
    box: NDArray[np.float32],
    ratios: NDArray[np.float32],
    grid: NDArray[np.int64],
    attention: NDArray[np.float32],
    sizes: NDArray[np.int64],
) -> bool:
    """Whether a box's category, corners and places in attention maps are all there."""
    fits = box[4] >= 1 and box[4] < grid[1] + 1
    fits &= _inside(box[1] * ratios[1], box[0] * ratios[0], grid[2], grid[3])
    fits &= _inside(box[3] * ratios[1], box[2] * ratios[0], grid[2], grid[3])
    for number in range(attention.shape[0]):
        ratio = attention[number, 0]
        y, x = _middle(box[1], box[3], ratio), _middle(box[0], box[2], ratio)
        if _attended(box, attention[number, 1], attention[number, 2]):
            fits &= _inside(y, x, sizes[number, 0], sizes[number, 1])
    return bool(fits)


@njit(nogil=True)
def _divide(starts: NDArray[np.int64], count: int) -> bool:
    """Whether starts ascend from 0 to `count`."""
    divide = starts[0] == 0 and starts[-1] == count
    for sample in range(starts.shape[0] - 1):
        divide &= starts[sample] <= starts[sample + 1]
    return bool(divide)


@njit(nogil=True)
def _measure(
    boxes: NDArray[np.float32],
    starts: NDArray[np.int64],
    ratios: NDArray[np.float32],
    grid: NDArray[np.int64],
    attention: NDArray[np.float32],
    sizes: NDArray[np.int64],
    fixed: int,
    min_iou: float,
    radii: NDArray[np.int64],
) -> int:
    """Fill in the radius of each box, `fixed` unless that is −1; return the first box that lies outside, or −1.

    The number of boxes where it is the starts that do not fit.
    """
    count = int(boxes.shape[0])
    if not _divide(starts, count):
        return count
    for n in range(count):
        box = boxes[n]
        if not _fits(box, ratios, grid, attention, sizes):
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
    plane: int,
    height: int,
    width: int,
    y: int,
    x: int,
    radius: int,
    table: NDArray[np.float32],
    begin: int,
    clear: bool,
) -> None:
    """Raise the plane at an address to a bump, which begins at `begin` in `table`, or with `clear` set it to 0."""
    side, left, right = 2 * radius + 1, max(0, x - radius), min(width, x + radius + 1)
    for row in range(max(0, y - radius), min(height, y + radius + 1)):
        line = plane + FLOAT * (row * width + left)
        first = begin + (row - y + radius) * side + left - x + radius
        for k in range(right - left):
            place = line + FLOAT * k
            value = np.float32(0) if clear else max(load_float32(place), table[first + k])
            store(place, np.float32(value))


@njit(nogil=True)
def _stamp(
    planes: int,
    shape: NDArray[np.int64],
    places: NDArray[np.int64],
    radii: NDArray[np.int64],
    table: NDArray[np.float32],
    begins: NDArray[np.int64],
    clear: bool,
) -> None:
    """Draw bumps at `places`, or clear their squares, into planes of a `shape` at an address."""
    for n in range(radii.shape[0]):
        plane = planes + FLOAT * ((places[n, 0] * shape[1] + places[n, 1]) * shape[2] * shape[3])
        _bump(plane, shape[2], shape[3], places[n, 2], places[n, 3], radii[n], table, begins[n], clear)


@njit(nogil=True)
def _draw_box(
    box: NDArray[np.float32],
    sample: int,
    row: int,
    is_object: bool,
    radius: int,
    begin: int,
    ratios: NDArray[np.float32],
    grid: NDArray[np.int64],
    table: NDArray[np.float32],
    out: NDArray[np.int64],
) -> None:
    """Draw both corners of a box; an object whose `row` is below grid[4] gets it. out: as in `_draw`."""
    height, width, rows = grid[2], grid[3], grid[4]
    plane = FLOAT * (sample * grid[1] + np.int64(box[4]) - 1) * height * width
    for corner in range(2):
        x, y = box[2 * corner] * ratios[0], box[2 * corner + 1] * ratios[1]
        column, line = np.int64(x), np.int64(y)
        planes = out[4 * corner] if is_object else out[4 * corner + 1]
        _bump(planes + plane, height, width, line, column, radius, table, begin, not is_object)
        if is_object and row < rows:
            place = sample * rows + row
            store(out[4 * corner + 2] + 2 * FLOAT * place, np.float32(x - np.float32(column)))
            store(out[4 * corner + 2] + 2 * FLOAT * place + FLOAT, np.float32(y - np.float32(line)))
            store(out[4 * corner + 3] + LONG * place, np.int64(line * width + column))


@njit(nogil=True)
def _draw(
    boxes: NDArray[np.float32],
    objects: NDArray[np.bool_],
    starts: NDArray[np.int64],
    ratios: NDArray[np.float32],
    grid: NDArray[np.int64],
    attention: NDArray[np.float32],
    sizes: NDArray[np.int64],
    radii: NDArray[np.int64],
    table: NDArray[np.float32],
    begins: NDArray[np.int64],
    out: NDArray[np.int64],
) -> None:
    """Draw all boxes.

    out: addresses of heats, valids, regrs and tags, top left, then the same bottom right, tag masks, attention maps.
    """
    for sample in range(starts.shape[0] - 1):
        row = 0
        for n in range(starts[sample], starts[sample + 1]):
            box, is_object = boxes[n], objects[n]
            _draw_box(box, sample, row, is_object, radii[n], begins[n], ratios, grid, table, out)
            if is_object and row < grid[4]:
                store(out[8] + sample * grid[4] + row, np.uint8(1))
                row += 1
            for number in range(attention.shape[0]):
                if not _attended(box, attention[number, 1], attention[number, 2]):
                    continue
                ratio, height, width = attention[number, 0], sizes[number, 0], sizes[number, 1]
                y, x = np.int64(_middle(box[1], box[3], ratio)), np.int64(_middle(box[0], box[2], ratio))
                store(out[9 + number] + FLOAT * ((sample * height + y) * width + x), np.float32(1))


def draw_targets(
    boxes: Boxes,
    objects: NDArray[np.bool_],
    starts: NDArray[np.int64],
    config: SamplerConfig,
    out: Mapping[str, NDArray[Any]],
) -> None:
    """Do what `sampler.ops.targets.draw_batch_targets` does. Raises IndexError for a box outside, before it draws."""
    if not len(boxes):
        return
    grid = (len(starts) - 1, out["tl_heats"].shape[1], *config.output_size, config.max_objects)
    addresses = addresses_of(out, _table(config, *grid))
    if addresses is None or (config.kind != "saccade" and not objects.all()):
        draw_batch_targets(boxes, objects, starts, config, out)
        return
    # Copies, small as they are, have one type to compile for, whatever they are copied from.
    boxes, objects, starts = (
        np.array(boxes, np.float32, order="C"),
        np.array(objects, np.bool_),
        np.array(starts, np.int64),
    )
    ratios, shape, radii = grid_ratios(config), np.array(grid, np.int64), np.empty(len(boxes), np.int64)
    maps = config.attention
    attention = np.array([(one.ratio, *one.longest) for one in maps], np.float32).reshape(-1, 3)
    sizes = np.array([one.size for one in maps], np.int64).reshape(-1, 2)
    fixed = config.gaussian_radius if config.gaussian_bump else 0
    outside = _measure(boxes, starts, ratios, shape, attention, sizes, fixed, config.gaussian_iou, radii)
    if outside == len(boxes) or len(objects) != len(boxes):
        raise ValueError(f"starts, objects: expected to divide {len(boxes)} boxes, one object each")
    if outside >= 0:
        raise IndexError(f"boxes[{outside}] = {boxes[outside].tolist()}: expected a box within the crop")
    table, begins = bump_table(radii)
    _draw(boxes, objects, starts, ratios, shape, attention, sizes, radii, table, begins, addresses)


def _table(
    config: SamplerConfig, batch: int, categories: int, height: int, width: int, rows: int
) -> list[tuple[str, str, tuple[int, ...]]]:
    """Return name, dtype and shape of each array that `_draw` writes, in its order."""
    planes = (batch, categories, height, width)
    table: list[tuple[str, str, tuple[int, ...]]] = []
    for corner in ("tl", "br"):
        ignored = "valids" if config.kind == "saccade" else "heats"  # a cornernet sample ignores no box
        table += [
            (f"{corner}_heats", "<f4", planes), (f"{corner}_{ignored}", "<f4", planes),
            (f"{corner}_regrs", "<f4", (batch, rows, 2)), (f"{corner}_tags", "<i8", (batch, rows)),
        ]  # fmt: skip
    table.append(("tag_masks", "|u1", (batch, rows)))
    maps = enumerate(config.attention)
    return table + [(f"attentions_{number}", "<f4", (batch, 1, *one.size)) for number, one in maps]


def stamp_bumps(planes: NDArray[np.float32], places: NDArray[np.int64], radii: NDArray[np.int64], clear: bool) -> None:
    """Do what `sampler.ops.gaussian.stamp_bumps` does."""
    if ((places < 0) | (places >= planes.shape)).any():  # compiled code does not look where it writes
        raise IndexError(f"places: expected sample, category, y and x within {planes.shape}")
    flags, fit = planes.flags, planes.dtype == np.float32 and len(places) == len(radii)
    if not (fit and flags.c_contiguous and flags.writeable):
        stamp_bumps_anywhere(planes, places, radii, clear)
        return
    table, begins = bump_table(radii)
    _stamp(address_of(planes), np.array(planes.shape), places, radii, table, begins, clear)


DRAWING = (_measure, _draw, _stamp)
"""The kernels of this file."""
