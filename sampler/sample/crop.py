"""From a decoded image, its boxes and a recipe to the crop and the boxes in it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sampler.config.schema import MAX_CANVAS, SamplerConfig
from sampler.errors import RecipeError
from sampler.kernels.interface import PLAIN, Kernels
from sampler.ops import boxes as box
from sampler.ops.boxes import Boxes
from sampler.ops.resize import Image
from sampler.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a plane lands where on a square canvas.

    Along each axis the plane's [start, stop) is copied to the canvas at `offset`; the rest of the canvas is black.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]
    offset: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of what is copied."""
        return self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]

    @property
    def bottom_right(self) -> tuple[int, int]:
        """End of the filled region on the canvas, (y, x), exclusive."""
        y, x = self.offset
        return y + self.rows[1] - self.rows[0], x + self.columns[1] - self.columns[0]


@dataclass(frozen=True, slots=True)
class Crop:
    """Pixels and boxes after scale, crop and flip.

    pixels: (S, S, 3) uint8 BGR. boxes: (N, 5) float32 in crop pixels. objects: (N,) bool, False where a box is
    ignored. rows: (N,) which of the image's boxes each one was.
    """

    pixels: Image
    boxes: Boxes
    objects: NDArray[np.bool_]
    rows: NDArray[np.intp]


def scale_factor(recipe: Recipe) -> np.float32 | np.float64:
    """Return the recipe's scale in the precision the published sampler has it: float32 when a box set it."""
    return np.float64(recipe.scale) if recipe.reference is None else np.float32(recipe.scale)


def scaled_size(height: int, width: int, factor: np.float32 | np.float64) -> tuple[int, int]:
    """Return (⌊H·s⌋, ⌊W·s⌋) in pixels, at least 1 each."""
    return max(1, int(height * factor)), max(1, int(width * factor))


def clip_to_image(boxes: Boxes, height: int, width: int) -> tuple[Boxes, NDArray[np.intp]]:
    """Clip boxes to x ∈ [0, W−1], y ∈ [0, H−1]; return those that remain, and which they were."""
    return box.clip(boxes, 0, 0, width - 1, height - 1)


def window_at(center: tuple[int, int], canvas: tuple[int, int], extent: tuple[int, int]) -> Window:
    """Return the window of a `canvas` (height, width) centred at `center` (y, x) of a plane of `extent`.

    An axis takes [max(0, c − half), min(c + half, E)) with half = ⌊canvas / 2⌋, so an odd canvas keeps its last
    row and column black. Raises `RecipeError` when the window misses the plane.
    """
    starts = [max(0, c - side // 2) for c, side in zip(center, canvas, strict=True)]
    stops = [min(c + side // 2, e) for c, side, e in zip(center, canvas, extent, strict=True)]
    if any(start > stop for start, stop in zip(starts, stops, strict=True)):
        raise RecipeError(f"center = {list(center)}: expected a crop that meets the plane of {extent} pixels")
    offsets = [side // 2 - (c - start) for c, side, start in zip(center, canvas, starts, strict=True)]
    return Window((starts[0], stops[0]), (starts[1], stops[1]), (offsets[0], offsets[1]))


@dataclass(frozen=True, slots=True)
class CropPlan:
    """All of a crop but its pixels: those take no more than the plan and the image.

    boxes, objects, rows: as in `Crop`. size: (height, width) of the plane the window is cut from. canvas: of a
    cornernet sample, whose window is pasted first and resized afterwards; None where it is the other way round.
    """

    boxes: Boxes
    objects: NDArray[np.bool_]
    rows: NDArray[np.intp]
    size: tuple[int, int]
    window: Window
    canvas: tuple[int, int] | None
    flip: bool


def make_crop(image: Image, boxes: Boxes, recipe: Recipe, config: SamplerConfig, kernels: Kernels = PLAIN) -> Crop:
    """Return the crop that `recipe` describes.

    image: (H, W, 3) uint8 BGR. boxes: (N, 5) float32 in image pixels, before any clipping. Raises `RecipeError`
    when the recipe does not fit them. kernels: what runs the loop over pixels.
    """
    height, width = image.shape[:2]
    plan = plan_crop(height, width, boxes, recipe, config, kernels)
    pixels = np.empty((*config.input_size, 3), np.uint8)
    fill_crop(image, plan, pixels, kernels)
    return Crop(pixels, plan.boxes, plan.objects, plan.rows)


def plan_crop(
    height: int, width: int, boxes: Boxes, recipe: Recipe, config: SamplerConfig, kernels: Kernels = PLAIN
) -> CropPlan:
    """Return what `recipe` makes of an image of height × width pixels and its boxes, as `make_crop` does."""
    if config.kind == "saccade":
        return _saccade(height, width, boxes, recipe, config, kernels)
    return _cornernet(height, width, boxes, recipe, config)


def fill_crop(image: Image, plan: CropPlan, out: Image, kernels: Kernels = PLAIN) -> tuple[int, int, int]:
    """Write the crop's pixels into `out`, (S, S, 3) uint8 in C order; return the sums of blue, green and red."""
    window, offset = plan.window, plan.window.offset
    start, shape = (window.rows[0], window.columns[0]), window.shape
    if plan.canvas is None:
        return kernels.fill_canvas(image, plan.size, start, shape, offset, plan.flip, out)
    plane = np.empty((*plan.canvas, 3), np.uint8)
    kernels.fill_canvas(image, plan.size, start, shape, offset, False, plane)
    height, width = out.shape[:2]
    return kernels.fill_canvas(plane, (height, width), (0, 0), (height, width), (0, 0), plan.flip, out)


def _saccade(
    height: int, width: int, boxes: Boxes, recipe: Recipe, config: SamplerConfig, kernels: Kernels
) -> CropPlan:
    factor = scale_factor(recipe)
    extent = scaled_size(height, width, factor)
    window = window_at(recipe.center, config.input_size, extent)
    (top, left), (bottom, right) = window.offset, window.bottom_right
    half_y, half_x = config.input_size[0] // 2, config.input_size[1] // 2
    frame = box.Frame(
        image=(height, width),
        factor=factor,
        move=(half_y - recipe.center[0], half_x - recipe.center[1]),
        filled=(left, top, right - 1, bottom - 1),
        flip_in=config.input_side if recipe.flip else None,
        least_side=config.min_scale,
    )
    seen, objects, rows, remaining = kernels.frame_boxes(boxes, frame)
    if recipe.reference is not None and recipe.reference >= remaining:
        raise RecipeError(f"reference = {recipe.reference}: expected a row below {remaining}, the boxes there are")
    return CropPlan(seen, objects, rows, extent, window, None, recipe.flip)


def _cornernet(height: int, width: int, boxes: Boxes, recipe: Recipe, config: SamplerConfig) -> CropPlan:
    factor = np.float64(recipe.scale)
    canvas = scaled_size(*config.input_size, factor)
    if max(canvas) > MAX_CANVAS:
        raise RecipeError(f"scale = {recipe.scale}: expected a canvas of at most {MAX_CANVAS} pixels, not {canvas}")
    window = window_at(recipe.center, canvas, (height, width))
    (top, left), (side_y, side_x) = window.offset, config.input_size
    moved = box.shift(box.shift(boxes, -window.rows[0], -window.columns[0]), top, left)
    resized = box.scale(moved, side_y / canvas[0], side_x / canvas[1])
    inside, rows = box.clip(resized, 0, 0, side_x - 1, side_y - 1)
    seen = box.flip(inside, side_x) if recipe.flip else inside
    return CropPlan(seen, np.ones(len(seen), np.bool_), rows, (height, width), window, canvas, recipe.flip)
