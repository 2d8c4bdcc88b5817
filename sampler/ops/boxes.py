"""Pure arithmetic on boxes. Boxes are (N, 5) float32: x0, y0, x1, y1 in pixels, category 1…C."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sampler.arrays import Booleans, Floats, Integers

Boxes = Floats

VISIBLE_SHARE = np.float32(0.5)
"""A box counts as an object when more than this share of its area lies in the crop (published constant)."""


@dataclass(frozen=True, slots=True)
class Frame:
    """How boxes of an image become boxes of a crop, step by step.

    Attributes:
        image: (height, width) that boxes are clipped to.
        factor: Scale applied then.
        move: (y, x) in whole pixels added then.
        filled: Left, top, right, bottom that boxes are clipped to then, ends included.
        flip_in: Width of the canvas in which boxes are mirrored at last, or None.
        least_side: Least longer side of an object, in whole pixels of the crop.
    """

    image: tuple[int, int]
    factor: np.float32 | np.float64
    move: tuple[int, int]
    filled: tuple[int, int, int, int]
    flip_in: int | None
    least_side: int


def frame_boxes(boxes: Boxes, frame: Frame) -> tuple[Boxes, Booleans, NDArray[np.intp], int]:
    """Return the boxes in a crop; see `sampler.kernels.interface.Kernels.frame_boxes`."""
    height, width = frame.image
    clipped, rows = clip(boxes, 0, 0, width - 1, height - 1)
    moved = shift(scale(clipped, frame.factor, frame.factor), *frame.move)
    seen, remaining = clip(moved, *frame.filled)
    rows = rows[remaining]
    if frame.flip_in is not None:
        seen = flip(seen, frame.flip_in)
    with np.errstate(divide="ignore", invalid="ignore"):  # NaN if both areas round to 0, which is above no threshold
        share = areas(seen) / areas(scale(boxes[rows], frame.factor, frame.factor))
    objects = (share > VISIBLE_SHARE) & (whole_pixel_sides(seen) >= frame.least_side)
    return seen, objects, rows, len(clipped)


def clip(boxes: Boxes, left: float, top: float, right: float, bottom: float) -> tuple[Boxes, NDArray[np.intp]]:
    """Clip boxes and drop those without area; see `sampler.kernels.interface.Kernels.clip_boxes`."""
    clipped = boxes.copy()
    corners = clipped[:, :4]
    np.maximum(corners, np.array((left, top, left, top), np.float32), out=corners)
    np.minimum(corners, np.array((right, bottom, right, bottom), np.float32), out=corners)
    remain = clipped[:, 2] > clipped[:, 0]
    remain &= clipped[:, 3] > clipped[:, 1]
    (rows,) = remain.nonzero()
    return (clipped if len(rows) == len(boxes) else clipped.take(rows, axis=0)), rows


@np.errstate(over="ignore")
def scale(boxes: Boxes, y: np.floating | float, x: np.floating | float) -> Boxes:
    """Multiply y by `y` and x by `x`, computed in the precision of the factors, rounded to float32 once.

    The published sampler multiplies in float32 or float64, depending on the source of its scale, and the last bit
    depends on that. Values outside the range of float32 become infinite.
    """
    scaled = boxes.copy()
    scaled[:, 0:4:2] = boxes[:, 0:4:2] * x
    scaled[:, 1:4:2] = boxes[:, 1:4:2] * y
    return scaled


def shift(boxes: Boxes, y: int, x: int) -> Boxes:
    """Move boxes by whole pixels."""
    moved = boxes.copy()
    moved[:, 0:4:2] += np.float32(x)
    moved[:, 1:4:2] += np.float32(y)
    return moved


def flip(boxes: Boxes, width: int) -> Boxes:
    """Mirror boxes in an image `width` pixels wide: x0, x1 become width − x1 − 1, width − x0 − 1."""
    mirrored = boxes.copy()
    mirrored[:, 0] = width - boxes[:, 2] - 1
    mirrored[:, 2] = width - boxes[:, 0] - 1
    return mirrored


@np.errstate(over="ignore")
def areas(boxes: Boxes) -> Floats:
    """Return (N,) float32 areas in square pixels, infinite beyond the range of float32."""
    products: Floats = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return products


def longest_sides(boxes: Boxes) -> Floats:
    """Return (N,) float32 longer sides in pixels."""
    longest: Floats = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    return longest


def whole_pixel_sides(boxes: Boxes) -> Integers:
    """Return (N,) int64 longer sides counted as ⌊end⌋ − ⌊start⌋."""
    cells = np.floor(boxes[:, :4]).astype(np.int64)
    longest: Integers = np.maximum(cells[:, 2] - cells[:, 0], cells[:, 3] - cells[:, 1])
    return longest
