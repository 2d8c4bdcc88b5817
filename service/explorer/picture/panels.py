"""The panels of the debug picture: the original, the crop, the heatmaps, the attention maps."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from service.explorer.inspection import BoxFate, Corners, Inspection
from service.explorer.picture import style
from service.explorer.picture.marks import STATE_COLOURS, View, draw_boxes
from service.explorer.picture.style import Colour

DIMMED = 0.5
"""Brightness left to what lies outside the crop window."""

RIM = 4
"""Pixels left free around the original, so that a frame at its edge is not cut."""

TINT_POWER = 0.6
"""Exponent that lifts the low values of a heatmap, as a small bump's neighbours would hardly show."""

HATCH_STEP = 7
"""Distance in pixels between the lines that hatch ignored areas."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A finished panel and how many of its boxes are named on it."""

    image: Image.Image
    labels: int = 0


def crop_window(seen: Inspection) -> Corners:
    """Return the crop's x0, y0, x1, y1 in pixels of the original image; it may stick out or hold the whole image."""
    plan, window = seen.plan, seen.plan.window
    step_y, step_x = seen.image.shape[0] / plan.size[0], seen.image.shape[1] / plan.size[1]
    side_y, side_x = plan.canvas or seen.config.input_size
    top, left = window.rows[0] - window.offset[0], window.columns[0] - window.offset[1]
    return left * step_x, top * step_y, (left + side_x) * step_x, (top + side_y) * step_y


def original_panel(seen: Inspection, size: tuple[int, int]) -> Panel:
    """Return the image with all its boxes and the crop window, in a panel of `size` (width, height)."""
    height, width = seen.image.shape[:2]
    window = crop_window(seen)
    view = _view_of((min(0.0, window[0]), min(0.0, window[1]), max(width, window[2]), max(height, window[3])), size)
    left, top, right, bottom = view.place((0, 0, width, height), size)
    shown = Image.new("RGB", size, style.BEYOND)
    frame = view.place(window, size)
    ImageDraw.Draw(shown).rectangle(frame, fill=(0, 0, 0))
    shown.paste(_rgb(seen.image).resize((right - left + 1, bottom - top + 1), _filter(view.zoom_x)), (left, top))

    pixels = np.asarray(shown).copy()
    dim = np.zeros(pixels.shape[:2], np.bool_)
    dim[top : bottom + 1, left : right + 1] = True
    dim[frame[1] : frame[3] + 1, frame[0] : frame[2] + 1] = False
    pixels[dim] = (pixels[dim] * DIMMED).astype(np.uint8)
    shown = Image.fromarray(pixels)
    draw = ImageDraw.Draw(shown)
    x0, y0, x1, y1 = frame
    draw.rectangle((x0 - 1, y0 - 1, x1 + 1, y1 + 1), outline=style.CASING, width=4)
    draw.rectangle(frame, outline=style.WINDOW, width=2)
    # What a small window holds is named on the crop; labels here would cover it.
    is_small = (x1 - x0) * (y1 - y0) < size[0] * size[1] / 3
    boxes = [(box, box.original) for box in seen.boxes]
    return Panel(shown, draw_boxes(shown, boxes, view, avoid=[(x0 - 2, y0 - 2, x1 + 2, y1 + 2)] if is_small else []))


def _view_of(area: Corners, size: tuple[int, int]) -> View:
    """Return the view that shows a whole area, centred, as large as the panel allows with a thin rim."""
    width, height = area[2] - area[0], area[3] - area[1]
    zoom = min((size[0] - 1 - 2 * RIM) / width, (size[1] - 1 - 2 * RIM) / height)
    return View(
        left=(area[0] + area[2]) / 2 - (size[0] - 1) / 2 / zoom,
        top=(area[1] + area[3]) / 2 - (size[1] - 1) / 2 / zoom,
        zoom_x=zoom,
        zoom_y=zoom,
    )


def crop_panel(seen: Inspection, side: int) -> Panel:
    """Return the crop before any colour step, with what is left of the boxes in it."""
    shown = _rgb(seen.crop).resize((side, side), _filter(side / seen.config.input_side))
    return Panel(shown, draw_boxes(shown, _cropped(seen), _crop_view(seen, side)))


def network_panel(seen: Inspection, side: int) -> Panel:
    """Return the crop in the colours the network gets, with the normalisation undone and cut to 0–255."""
    mean, std = (np.array(values)[:, None, None] for values in (seen.config.mean, seen.config.std))
    bgr = np.rint((seen.dense["images"] * std + mean) * 255).clip(0, 255).astype(np.uint8)
    shown = _rgb(bgr.transpose(1, 2, 0))
    return Panel(shown.resize((side, side), _filter(side / seen.config.input_side)))


def heat_panel(seen: Inspection, number: int, side: int) -> Panel:
    """Return the highest value over categories of plane array `number` as a tint on the crop.

    Where the valid mask of any category is 0, the panel is hatched.
    """
    names = seen.planes[number]
    heat = seen.dense[names.heats].max(axis=0)
    pixels = _backdrop(seen, side, _cropped(seen))
    if names.valids is not None:
        pixels = _hatch(pixels, _spread(1 - seen.dense[names.valids].min(axis=0), heat.shape, side) > 0)
    pixels = _blend(pixels, _spread(heat, heat.shape, side) ** TINT_POWER, style.PLANES[number % len(style.PLANES)])
    return Panel(Image.fromarray(pixels))


def attention_panel(seen: Inspection, number: int, side: int) -> Panel:
    """Return one attention map's marked cells over the crop, with the boxes that marked them."""
    attention = seen.config.attention[number]
    cells = seen.dense[seen.attentions[number]][0]
    covered = tuple(extent / attention.ratio for extent in seen.config.input_size)
    low, high = attention.longest
    chosen = [(box, corners) for box, corners in _cropped(seen) if low <= _longest(corners) <= high]
    pixels = _blend(_backdrop(seen, side, chosen), _spread(cells, covered, side), style.ATTENTION)
    return Panel(Image.fromarray(pixels))


def _cropped(seen: Inspection) -> list[tuple[BoxFate, Corners]]:
    return [(box, box.cropped) for box in seen.boxes if box.cropped is not None]


def _longest(box: Corners) -> np.float32:
    # In the sampler's own precision: a side of just 96 pixels belongs to two maps.
    x0, y0, x1, y1 = np.array(box, np.float32)
    longest: np.float32 = max(x1 - x0, y1 - y0)
    return longest


def _crop_view(seen: Inspection, side: int) -> View:
    height, width = seen.config.input_size
    return View(0.0, 0.0, side / width, side / height)


def _rgb(bgr: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(bgr[:, :, ::-1]))


def _filter(zoom: float) -> Image.Resampling:
    return Image.Resampling.BICUBIC if zoom > 1 else Image.Resampling.LANCZOS


def _backdrop(seen: Inspection, side: int, boxes: list[tuple[BoxFate, Corners]]) -> NDArray[np.uint8]:
    """Return the crop in dark greys with thin lines around `boxes`, (side, side, 3) uint8.

    Tints stand out against it on any photograph.
    """
    grey = _rgb(seen.crop).convert("L").resize((side, side), _filter(side / seen.config.input_side))
    shown = Image.fromarray((np.asarray(grey) * 0.5 + 14).astype(np.uint8)).convert("RGB")
    draw, view = ImageDraw.Draw(shown), _crop_view(seen, side)
    for box, corners in boxes:
        faint = tuple(channel // 2 + 32 for channel in STATE_COLOURS[box.state])
        draw.rectangle(view.place(corners, shown.size), outline=faint)
    return np.asarray(shown).copy()


def _spread(cells: NDArray[Any], covered: tuple[float, ...], side: int) -> NDArray[np.float32]:
    """Return cells as (side, side) pixels; `covered`: how many rows and columns of cells the panel shows.

    Where several cells meet in a pixel, the highest one counts.
    """
    spread: NDArray[np.float32] = cells.astype(np.float32)
    for axis, extent in enumerate(covered):
        starts = np.minimum(np.arange(side) * extent / side, cells.shape[axis] - 1).astype(np.intp)
        spread = np.maximum.reduceat(spread, starts, axis=axis)
    return spread


def _blend(backdrop: NDArray[np.uint8], weight: NDArray[np.float32], colour: Colour) -> NDArray[np.uint8]:
    share = weight[:, :, None]
    blended: NDArray[np.uint8] = np.rint(backdrop * (1 - share) + np.array(colour) * share).astype(np.uint8)
    return blended


def _hatch(pixels: NDArray[np.uint8], area: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Draw diagonal lines over `area`, and a light tint between them, so that small areas show as well."""
    diagonals = np.add.outer(np.arange(area.shape[0]), np.arange(area.shape[1]))
    lines = area & (diagonals % HATCH_STEP < 2)
    tint = area & ~lines
    pixels[tint] = (pixels[tint] * 0.7 + np.array(style.IGNORED) * 0.3).astype(np.uint8)
    pixels[lines] = style.IGNORED
    return pixels
