"""Pure arithmetic on boxes. Boxes are (N, 5) float32: x0, y0, x1, y1 in pixels, category 1…C."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]

VISIBLE_SHARE = np.float32(0.5)
"""A box counts as an object when more than this share of its area lies in the crop (published constant)."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a saccade crop has its boxes.

    image: (height, width) that boxes are clipped to at first. factor: what they are scaled by. move: (y, x) in whole
    pixels, afterwards. filled: left, top, right, bottom of the region they are clipped to then, ends included.
    flip_in: width of the canvas that is mirrored, None for none. least_side: of an object, in whole pixels.
    """

    image: tuple[int, int]
    factor: np.float32 | np.float64
    move: tuple[int, int]
    filled: tuple[int, int, int, int]
    flip_in: int | None
    least_side: int


def frame_boxes(boxes: Boxes, frame: Frame) -> tuple[Boxes, NDArray[np.bool_], NDArray[np.intp], int]:
    """Return what a crop shows of an image's boxes.

    That is (N, 5) the boxes seen, in crop pixels, (N,) which of them are objects, (N,) their rows in `boxes`, and how
    many boxes there are in the image once they are clipped to it.
    """
    height, width = frame.image
    clipped, rows = clip(boxes, 0, 0, width - 1, height - 1)
    moved = shift(scale(clipped, frame.factor, frame.factor), *frame.move)
    seen, kept = clip(moved, *frame.filled)
    rows = rows[kept]
    if frame.flip_in is not None:
        seen = flip(seen, frame.flip_in)
    share = _visible_share(seen, scale(boxes[rows], frame.factor, frame.factor))
    objects = (share > VISIBLE_SHARE) & (whole_pixel_sides(seen) >= frame.least_side)
    return seen, objects, rows, len(clipped)


@np.errstate(divide="ignore", invalid="ignore")
def _visible_share(seen: Boxes, whole: Boxes) -> NDArray[np.float32]:
    """Return (N,) float32 areas of `seen` over `whole`; NaN, which exceeds nothing, where both round to 0."""
    share: NDArray[np.float32] = areas(seen) / areas(whole)
    return share


def clip(boxes: Boxes, left: float, top: float, right: float, bottom: float) -> tuple[Boxes, NDArray[np.intp]]:
    """Clip boxes to x ∈ [left, right], y ∈ [top, bottom] and drop those left with no width or no height.

    Returns the (K, 5) boxes that remain and their (K,) rows in `boxes`.
    """
    clipped = boxes.copy()
    corners = clipped[:, :4]
    np.maximum(corners, np.array((left, top, left, top), np.float32), out=corners)
    np.minimum(corners, np.array((right, bottom, right, bottom), np.float32), out=corners)
    remain = clipped[:, 2] > clipped[:, 0]
    remain &= clipped[:, 3] > clipped[:, 1]
    (kept,) = remain.nonzero()
    return (clipped if len(kept) == len(boxes) else clipped.take(kept, axis=0)), kept


@np.errstate(over="ignore")
def scale(boxes: Boxes, y: np.floating | float, x: np.floating | float) -> Boxes:
    """Multiply rows by `y` and columns by `x`, computed in the factors' own precision, kept in float32.

    A float32 factor multiplies in float32 and a float64 one in float64, rounding once: the published sampler does
    either, depending on where its scale came from, and the last bit follows from it. What leaves the range of
    float32 becomes infinite.
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
def areas(boxes: Boxes) -> NDArray[np.float32]:
    """Return (N,) float32 areas in square pixels, infinite where float32 cannot hold them."""
    products: NDArray[np.float32] = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return products


def longest_sides(boxes: Boxes) -> NDArray[np.float32]:
    """Return (N,) float32 longer sides in pixels."""
    longest: NDArray[np.float32] = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    return longest


def whole_pixel_sides(boxes: Boxes) -> NDArray[np.int64]:
    """Return (N,) int64 longer sides counted as ⌊end⌋ − ⌊start⌋."""
    cells = np.floor(boxes[:, :4]).astype(np.int64)
    longest: NDArray[np.int64] = np.maximum(cells[:, 2] - cells[:, 0], cells[:, 3] - cells[:, 1])
    return longest
