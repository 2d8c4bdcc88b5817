"""Small pictures for pages that show many samples or images. No targets are rendered for them."""

import io
from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from sampler.drawing.boxes import draw_outline
from sampler.drawing.colours import BOTTOM_RIGHT, CASING, CROWD, IGNORED, OBJECT, TOP_LEFT, UNTAGGED, Colour
from sampler.families.registry import family_of
from sampler.image_part import ImagePart
from sampler.kernels.compiled.kernels import COMPILED
from sampler.sample.sample import fill_sample, plan_sample
from service.explorer.shell.thumbnails import THUMBNAIL_SIDE
from service.workers.datasets import WorkerDataset
from service.workers.protocol import ViewJob

MEDIA_TYPE = "image/jpeg"

_QUALITY = 82
_STRIPES = 10  # pixels from one to the next
_CORNER = 3  # radius of the dot of a corner, in pixels

Outline = tuple[tuple[float, ...], Colour]
"""The corners of a box in pixels of the picture that it is drawn on before it is made smaller, and its colour."""


def sample_thumbnail(opened: WorkerDataset, job: ViewJob) -> bytes:
    """Return a JPEG file with the crop of a sample, its boxes, and the corners of its objects if its family has them.

    Raises like `make_sample`.
    """
    [key] = job.keys
    dataset, config = opened.dataset, opened.config
    planned = plan_sample(dataset, config, key, job.augment, COMPILED)
    part = dataset.read(planned.image, planned.region)
    crop = fill_sample(part, planned.plan, planned.recipe, config, COMPILED).crop
    plan = planned.plan
    colours = np.where(plan.objects, np.where(np.cumsum(plan.objects) > config.max_objects, 2, 1), 0).tolist()
    boxes = [tuple(box[:4]) for box in plan.boxes.tolist()]
    outlines = [(box, (IGNORED, OBJECT, UNTAGGED)[colour]) for box, colour in zip(boxes, colours, strict=True)]
    with_corners = family_of(config).corner_names(config) is not None
    corners = [box for box, colour in outlines if colour != IGNORED] if with_corners else []
    return _jpeg(crop, outlines, corners)


def image_thumbnail(opened: WorkerDataset, job: ViewJob) -> bytes:
    """Return a JPEG file with an image of the dataset and its annotated boxes. Raises like `Dataset.read`."""
    [key] = job.keys
    image: ImagePart = opened.dataset.read(key.index)
    rows = zip(opened.dataset.boxes(key.index).tolist(), opened.dataset.crowd(key.index).tolist(), strict=True)
    return _jpeg(image.pixels, [(tuple(box[:4]), CROWD if crowd else OBJECT) for box, crowd in rows], [])


def _jpeg(pixels: NDArray[np.uint8], outlines: Iterable[Outline], corners: Iterable[tuple[float, ...]]) -> bytes:
    """pixels: (H, W, 3) BGR. corners: the boxes whose corners are marked."""
    height, width = pixels.shape[:2]
    zoom = min(1.0, THUMBNAIL_SIDE / max(height, width))  # smaller crops are not enlarged
    size = max(1, round(width * zoom)), max(1, round(height * zoom))
    smaller = pixels if zoom == 1 else cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    shown = Image.fromarray(cv2.cvtColor(smaller, cv2.COLOR_BGR2RGB))
    draw = ImageDraw.Draw(shown)
    for box, colour in sorted(outlines, key=lambda outline: _area(outline[0]), reverse=True):
        placed = _placed(box, zoom, size)
        if colour == CROWD:
            _hatch(draw, placed)
        draw_outline(draw, placed, colour, thin=False)
    for box in corners:
        x0, y0, x1, y1 = _placed(box, zoom, size)
        _draw_corner(draw, x0, y0, TOP_LEFT)
        _draw_corner(draw, x1, y1, BOTTOM_RIGHT)
    file = io.BytesIO()
    shown.save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


def _placed(box: tuple[float, ...], zoom: float, size: tuple[int, int]) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = (
        round(min(max(value * zoom, 0.0), side - 1)) for value, side in zip(box, (*size, *size), strict=True)
    )
    return x0, y0, x1, y1


def _hatch(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int]) -> None:
    """Draw stripes within a crowd box: people may not see its colour."""
    x0, y0, x1, y1 = box
    width, height = x1 - x0, y1 - y0
    for offset in range(_STRIPES, width + height, _STRIPES):
        begin = x0 + max(0, offset - height), y0 + min(offset, height)
        end = x0 + min(offset, width), y0 + max(0, offset - width)
        draw.line((begin, end), fill=CROWD)


def _draw_corner(draw: ImageDraw.ImageDraw, x: int, y: int, colour: Colour) -> None:
    draw.ellipse((x - _CORNER, y - _CORNER, x + _CORNER, y + _CORNER), fill=colour, outline=CASING)


def _area(box: tuple[float, ...]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
