"""The layers of one sample: its pictures, and transparent ones of its target arrays. All come from one look."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sampler.drawing.colours import IGNORED, Colour
from sampler.families.registry import family_of
from sampler.ops.targets import CornerNames
from service.explorer.inspection import Inspection, document_of, inspect_sample
from service.explorer.picture import style
from service.explorer.picture.panels import network_pixels
from service.explorer.picture.picture import recipe_lines
from service.explorer.sample.contents import ORIGINAL, Layer, SampleContents
from service.words import count as counted
from service.workers.datasets import WorkerDataset
from service.workers.protocol import ViewJob

LONGEST_SIDE = 2048
"""Larger originals are sent smaller, in pixels."""

_QUALITY = 90
_FAST = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
_HEAT_EXPONENT = 0.6
_ATTENTION_OPACITY = 0.6
_HATCH_CELL = 8
"""Pixels across a cell of a mask, which is hatched."""
_HATCH_OPACITIES = (0.0, 0.25, 0.95)
"""Of a cell with loss; between the lines of one without, and on them."""

LayerFile = tuple[Layer, bytes]


def sample_layers(opened: WorkerDataset, job: ViewJob) -> bytes:
    """Return everything that the page of a sample shows, an encoded `SampleContents`. Raises like `make_sample`."""
    [key] = job.keys
    return contents_of(inspect_sample(opened.dataset, opened.config, key, augment=job.augment)).encode()


def contents_of(seen: Inspection) -> SampleContents:
    """Return the facts about a sample that was made, and its layers."""
    layers = [original_layer(seen), *crop_layers(seen), *target_layers(seen)]
    facts = document_of(seen) | {
        "window": list(seen.window),
        "side": seen.config.input_side,
        "has_corners": family_of(seen.config).corner_names(seen.config) is not None,
        "recipe_lines": recipe_lines(seen),
        "layers": [asdict(layer) for layer, _ in layers],
    }
    return SampleContents(facts, {layer.name: file for layer, file in layers})


def original_layer(seen: Inspection) -> LayerFile:
    """Return the image that the sample is made from."""
    height, width = seen.image.shape[:2]
    zoom = min(1.0, LONGEST_SIDE / max(height, width))
    size = max(1, round(width * zoom)), max(1, round(height * zoom))
    smaller = seen.image if zoom == 1 else cv2.resize(seen.image, size, interpolation=cv2.INTER_AREA)
    shown = np.asarray(smaller, np.uint8)
    layer = Layer(ORIGINAL, "Original", f"{width} × {height} px", "original", width, height, "base")
    return layer, _file(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])


def crop_layers(seen: Inspection) -> Iterator[LayerFile]:
    """Yield the crop, and the network's input, which covers it."""
    side = seen.config.input_side
    flipped = ", flipped" if seen.recipe.flip else ""
    yield Layer("crop", "Crop", f"{side} × {side} px{flipped}", "crop", side, side, "base"), _png(seen.crop)
    caption = "with its colour steps, shown without normalisation"
    yield Layer("input", "Network input", caption, "crop", side, side, "input"), _png(network_pixels(seen))


def target_layers(seen: Inspection) -> Iterator[LayerFile]:
    """Yield the target arrays that have the form of a picture: heatmaps, valid masks and attention maps."""
    names = family_of(seen.config).corner_names(seen.config)
    if names is None:
        yield from _other_planes(seen)
        return
    corners = (("Top-left", names.top_left, "top-left"), ("Bottom-right", names.bottom_right, "bottom-right"))
    for (title, corner, swatch), colour in zip(corners, style.PLANES, strict=True):
        yield _heat_layer(seen, corner.heats, f"{title} corners", colour, swatch)
    for title, corner, _ in corners:
        yield from _mask_layers(seen, corner, title)
    for number, name in enumerate(names.attentions):
        yield _attention_layer(seen, number, name)


def _other_planes(seen: Inspection) -> Iterator[LayerFile]:
    """Yield all plane arrays of a family without corners."""
    specs = family_of(seen.config).target_specs(seen.config, seen.category_count)
    for number, name in enumerate(spec.name for spec in specs if len(spec.shape) == 3):
        choice = number % len(style.PLANES)
        yield _heat_layer(seen, name, name, style.PLANES[choice], ("top-left", "bottom-right")[choice])


def _heat_layer(seen: Inspection, name: str, title: str, colour: Colour, swatch: str) -> LayerFile:
    planes = seen.dense[name]
    count, height, width = planes.shape
    heat = np.clip(planes.max(axis=0), 0, 1) ** _HEAT_EXPONENT
    caption = f"{width} × {height} cells, highest of {counted(count, 'category', 'categories')}"
    levels = np.rint(heat * 255).astype(np.uint8)
    return _crop_tint(seen, name, title, caption, swatch), _tint(levels, np.linspace(0, 1, 256).tolist(), colour)


def _mask_layers(seen: Inspection, corner: CornerNames, title: str) -> Iterator[LayerFile]:
    if corner.valids is None:
        return
    lost = seen.dense[corner.valids].min(axis=0) == 0
    caption = f"hatched: {counted(int(lost.sum()), 'cell', 'cells')} without loss, of any category"
    layer = _crop_tint(seen, corner.valids, f"{title} ignored", caption, "ignored")
    yield layer, _tint(_hatched(lost), _HATCH_OPACITIES, IGNORED)


def _hatched(lost: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return the levels of `_HATCH_OPACITIES`, `_HATCH_CELL` pixels across a cell. lost: whether a cell has no loss."""
    steps = np.arange(_HATCH_CELL)
    on_line = np.add.outer(steps, steps) % _HATCH_CELL < _HATCH_CELL // 3
    return np.asarray(np.kron(lost, np.where(on_line, 2, 1)), np.uint8)


def _attention_layer(seen: Inspection, number: int, name: str) -> LayerFile:
    attention, [cells] = seen.config.attention[number], seen.dense[name]
    height, width = cells.shape
    low, high = attention.longest
    caption = f"longer side {low:g} to {high:g} px: {counted(int(cells.sum()), 'cell', 'cells')}"
    layer = Layer(
        name, f"Attention {width} × {height}", caption, "crop", width * attention.ratio, height * attention.ratio,
        swatch="attention",
    )  # fmt: skip
    return layer, _tint((cells > 0).astype(np.uint8), (0.0, _ATTENTION_OPACITY), style.ATTENTION)


def _crop_tint(seen: Inspection, name: str, title: str, caption: str, swatch: str) -> Layer:
    side = seen.config.input_side
    return Layer(name, title, caption, "crop", side, side, swatch=swatch)


def _tint(levels: NDArray[np.uint8], opacities: Sequence[float], colour: Colour) -> bytes:
    """Return a PNG file of one colour, with a palette: it takes a tenth of the time of one with four channels.

    levels: (H, W), which of the opacities each pixel has. opacities: 0…1.
    """
    image = Image.fromarray(levels)
    image.putpalette(bytes(colour) * len(opacities))
    file = io.BytesIO()
    alphas = bytes(round(opacity * 255) for opacity in opacities)
    image.save(file, "PNG", compress_level=1, transparency=alphas)
    return file.getvalue()


def _png(pixels: NDArray[np.uint8]) -> bytes:
    return _file(".png", pixels, _FAST)


def _file(suffix: str, pixels: NDArray[np.uint8], options: list[int]) -> bytes:
    done, encoded = cv2.imencode(suffix, pixels, options)
    if not done:
        raise RuntimeError(f"OpenCV cannot write {suffix} files")
    return encoded.tobytes()
