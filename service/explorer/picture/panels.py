"""The panels of the debug picture: original, crop, network input, plane arrays and attention maps."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from sampler.drawing.colours import CASING, IGNORED, OBJECT, Colour
from sampler.families.registry import family_of
from sampler.ops.targets import attention_cells
from service.explorer.inspection import Corners, Inspection
from service.explorer.picture import style
from service.explorer.picture.boxes import View, draw_boxes
from service.words import count as counted

SIDE = 400
"""Width and height of a panel in pixels."""

_RIM = 4
"""Free pixels around the original, so that a frame at its edge is not cut off."""

_HEAT_EXPONENT = 0.6
"""Lifts the low values of a heatmap; the edge of a bump would hardly be visible."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A square of `SIDE` pixels, and the words above it."""

    heading: str
    caption: str
    image: Image.Image


def draw_panels(seen: Inspection) -> Iterator[Panel]:
    yield original_panel(seen)
    yield crop_panel(seen)
    yield network_panel(seen)
    family, dense = family_of(seen.config), seen.dense
    names = family.corner_names(seen.config)
    if names is None:  # a family without corners: all plane arrays
        specs = family.target_specs(seen.config, seen.category_count)
        for number, name in enumerate(spec.name for spec in specs if len(spec.shape) == 3):
            yield plane_panel(seen, name, dense[name], None, style.PLANES[number % len(style.PLANES)])
        return
    corners = (("Top-left corners", names.top_left), ("Bottom-right corners", names.bottom_right))
    for (title, corner), colour in zip(corners, style.PLANES, strict=True):
        masks = None if corner.valids is None else dense[corner.valids]
        yield plane_panel(seen, title, dense[corner.heats], masks, colour)
    for number, name in enumerate(names.attentions):
        yield attention_panel(seen, number, dense[name][0])


def original_panel(seen: Inspection) -> Panel:
    """Return the image with all its boxes and the crop's window; what lies outside the window is dimmed."""
    height, width = seen.image.shape[:2]
    window = seen.window
    view = _view_of((min(0.0, window[0]), min(0.0, window[1]), max(width, window[2]), max(height, window[3])))
    left, top, right, bottom = view.place((0, 0, width, height))
    image = _rgb(seen.image).resize((right - left + 1, bottom - top + 1), _filter(view.zoom))
    shown = Image.new("RGB", (SIDE, SIDE), style.EMPTY)
    shown.paste(image.point(lambda value: value // 2), (left, top))
    frame = x0, y0, x1, y1 = view.place(window)
    draw = ImageDraw.Draw(shown)
    draw.rectangle(frame, fill=(0, 0, 0))
    inside = max(x0, left), max(y0, top), min(x1, right) + 1, min(y1, bottom) + 1
    shown.paste(image.crop((inside[0] - left, inside[1] - top, inside[2] - left, inside[3] - top)), inside[:2])
    draw.rectangle((x0 - 1, y0 - 1, x1 + 1, y1 + 1), outline=CASING, width=4)
    draw.rectangle(frame, outline=style.WINDOW, width=2)
    draw_boxes(shown, [(box, box.original) for box in seen.boxes], view)
    return Panel("Original", f"{width} × {height} px, {counted(len(seen.boxes), 'box', 'boxes')}, crop in white", shown)


def _view_of(area: Corners) -> View:
    """Return the view that shows an area in the middle of a panel, as large as possible."""
    zoom = (SIDE - 1 - 2 * _RIM) / max(area[2] - area[0], area[3] - area[1])
    half = (SIDE - 1) / 2 / zoom
    return View(SIDE, zoom, (area[0] + area[2]) / 2 - half, (area[1] + area[3]) / 2 - half)


def crop_panel(seen: Inspection) -> Panel:
    """Return the crop before the colour steps, with its boxes."""
    shown, view = _crop_image(seen)
    boxes = [(box, box.cropped) for box in seen.boxes if box.cropped is not None]
    draw_boxes(shown, boxes, view)
    side, flipped = seen.config.input_side, ", flipped" if seen.recipe.flip else ""
    return Panel("Crop", f"{side} × {side} px{flipped}, {counted(len(boxes), 'box', 'boxes')}", shown)


def network_panel(seen: Inspection) -> Panel:
    """Return the crop after the colour steps, without the normalisation and clipped to 0…255."""
    shown = _rgb(network_pixels(seen)).resize((SIDE, SIDE), _filter(SIDE / seen.config.input_side))
    applied = {"jitter": bool(seen.recipe.jitter), "lighting": any(seen.recipe.lighting)}
    steps = " and ".join(step for step, used in applied.items() if used)
    return Panel("Network input", f"{f'after {steps}' if steps else 'the crop'}; shown without normalisation", shown)


def network_pixels(seen: Inspection) -> NDArray[np.uint8]:
    """Return the network's input without its normalisation, (S, S, 3) BGR, clipped to 0…255."""
    mean, std = (np.array(values)[:, None, None] for values in (seen.config.mean, seen.config.std))
    bgr = np.rint((seen.dense["images"] * std + mean) * 255).clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(bgr.transpose(1, 2, 0))


def plane_panel(
    seen: Inspection, title: str, planes: NDArray[np.float32], valids: NDArray[np.float32] | None, colour: Colour
) -> Panel:
    """Return the highest value of all categories as a tint on the crop, hatched where a valid mask is 0."""
    count, height, width = planes.shape
    pixels = _backdrop(seen, seen.plan.objects | True)
    caption = f"{width} × {height} cells, highest of {counted(count, 'category', 'categories')}"
    if valids is not None and valids.min() == 0:
        caption += "; hatched: no loss"
        _hatch(pixels, _enlarged(valids.min(axis=0), (height, width)) == 0)
    heat = np.clip(_enlarged(planes.max(axis=0), (height, width)), 0, 1)
    return Panel(title, caption, _blended(pixels, heat**_HEAT_EXPONENT, colour))


def attention_panel(seen: Inspection, number: int, cells: NDArray[np.float32]) -> Panel:
    """Return the marked cells (h, w) of an attention map on the crop, with the boxes that marked them."""
    attention = seen.config.attention[number]
    chosen, _, _ = attention_cells(seen.plan.boxes, number, seen.config)
    extent = seen.config.input_side / attention.ratio
    shown = _blended(_backdrop(seen, chosen), _enlarged(cells, (extent, extent)), style.ATTENTION)
    low, high = attention.longest
    caption = f"longer side {low:g} to {high:g} px: {counted(int(cells.sum()), 'cell', 'cells')}"
    return Panel(f"Attention {attention.size[1]} × {attention.size[0]}", caption, shown)


def _rgb(bgr: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(bgr[:, :, ::-1]))


def _filter(zoom: float) -> Image.Resampling:
    return Image.Resampling.BICUBIC if zoom > 1 else Image.Resampling.LANCZOS


def _crop_image(seen: Inspection) -> tuple[Image.Image, View]:
    zoom = SIDE / seen.config.input_side
    return _rgb(seen.crop).resize((SIDE, SIDE), _filter(zoom)), View(SIDE, zoom)


def _backdrop(seen: Inspection, chosen: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return the crop in dark greys, on which tints stand out, with thin lines around the chosen boxes of the plan."""
    crop, view = _crop_image(seen)
    shown = crop.convert("L").point(lambda value: value // 2 + 14).convert("RGB")
    draw = ImageDraw.Draw(shown)
    for (x0, y0, x1, y1, _), is_object in zip(seen.plan.boxes[chosen].tolist(), seen.plan.objects[chosen], strict=True):
        colour = OBJECT if is_object else IGNORED
        draw.rectangle(view.place((x0, y0, x1, y1)), outline=tuple(channel // 2 + 32 for channel in colour))
    return np.asarray(shown).copy()


def _enlarged(cells: NDArray[np.float32], extent: tuple[float, float]) -> NDArray[np.float32]:
    """Return cells as (SIDE, SIDE) pixels. extent: how many rows and columns of cells the panel shows."""
    rows, columns = (
        np.minimum((np.arange(SIDE) + 0.5) * shown / SIDE, count - 1).astype(np.intp)
        for shown, count in zip(extent, cells.shape, strict=True)
    )
    return cells[np.ix_(rows, columns)]


def _blended(backdrop: NDArray[np.uint8], weight: NDArray[np.float32], colour: Colour) -> Image.Image:
    share = weight[:, :, None]
    return Image.fromarray(np.rint(backdrop * (1 - share) + np.array(colour) * share).astype(np.uint8))


def _hatch(pixels: NDArray[np.uint8], area: NDArray[np.bool_]) -> None:
    """Draw diagonal lines over an area, in place, and a light tint between them so that small areas show too."""
    lines = np.add.outer(np.arange(SIDE), np.arange(SIDE)) % 7 < 2
    pixels[area] = (pixels[area] * 0.7 + np.array(IGNORED) * 0.3).astype(np.uint8)
    pixels[area & lines] = IGNORED
