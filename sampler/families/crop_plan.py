"""The plan of a crop: which part of an image becomes which part of the network's input."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sampler.arrays import Booleans
from sampler.errors import RecipeError
from sampler.image_part import Region
from sampler.ops.boxes import Boxes


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a plane is copied to which part of a canvas; the rest of the canvas is black.

    Attributes:
        rows: [start, stop) of the plane; so are `columns`.
        offset: (y, x) on the canvas of the first row and column copied.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]
    offset: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the part that is copied."""
        return self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]

    @property
    def bottom_right(self) -> tuple[int, int]:
        """End of the filled part on the canvas, (y, x), exclusive."""
        return self.offset[0] + self.shape[0], self.offset[1] + self.shape[1]


@dataclass(frozen=True, slots=True)
class CropPlan:
    """Everything about a crop except its pixels.

    Without a canvas, the image is resized to `size` and the window is cut from it. With one, the window is cut from the
    image as it is, pasted onto the canvas, and the canvas is resized to the input size.

    Attributes:
        boxes: (N, 5) float32 boxes in the crop, in crop pixels.
        objects: (N,) False for ignored boxes.
        rows: (N,) the row of each box among the image's boxes.
        size: (height, width) of the plane that the window is cut from.
        window: The part that is copied.
        canvas: (height, width), or None.
        flip: Whether left and right are swapped at last.
    """

    boxes: Boxes
    objects: Booleans
    rows: NDArray[np.intp]
    size: tuple[int, int]
    window: Window
    canvas: tuple[int, int] | None
    flip: bool

    def source_region(self, height: int, width: int) -> Region:
        """Return the pixels of an image of this size that the crop reads; up to two more on each side."""
        rows, columns = self.window.rows, self.window.columns
        if min(self.window.shape) <= 0:
            return Region((0, 0), (0, 0))
        if self.size == (height, width):
            return Region(rows, columns)
        return Region(_source_span(*rows, self.size[0], height), _source_span(*columns, self.size[1], width))


def _source_span(start: int, stop: int, scaled: int, source: int) -> tuple[int, int]:
    """Return what positions [start, stop) of an axis of `scaled` pixels are blended from, of `source` pixels."""
    # Position y is blended from the two next to (y + 0.5) · step − 0.5. One more at either end allows for the rounding
    # of that product.
    step = source / scaled
    first, last = math.floor((start + 0.5) * step - 0.5), math.floor((stop - 0.5) * step - 0.5) + 1
    return min(max(first - 1, 0), source - 1), min(last + 2, source)


def scaled_size(height: int, width: int, factor: np.float32 | np.float64) -> tuple[int, int]:
    """Return (⌊height · factor⌋, ⌊width · factor⌋), at least 1 each."""
    return max(1, int(height * factor)), max(1, int(width * factor))


def window_at(center: tuple[int, int], canvas: tuple[int, int], extent: tuple[int, int]) -> Window:
    """Return the window of a `canvas` (height, width) around `center` (y, x) of a plane of size `extent`.

    An axis takes [max(0, c − half), min(c + half, E)) with half = ⌊canvas / 2⌋. The last row and column of an odd
    canvas therefore stay black. Raises `RecipeError` if the window lies outside the plane.
    """
    starts = [max(0, c - side // 2) for c, side in zip(center, canvas, strict=True)]
    stops = [min(c + side // 2, e) for c, side, e in zip(center, canvas, extent, strict=True)]
    if any(start > stop for start, stop in zip(starts, stops, strict=True)):
        raise RecipeError(f"center = {list(center)}: the crop lies outside the plane of {extent} pixels")
    offsets = [side // 2 - (c - start) for c, side, start in zip(center, canvas, starts, strict=True)]
    return Window((starts[0], stops[0]), (starts[1], stops[1]), (offsets[0], offsets[1]))
