"""Pictures of samples: the image with boxes, names and corners. Needs Pillow."""

import base64
import io
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw

from client.batches.sample_view import SampleView
from sampler.drawing.boxes import BoxLabels, Pixels, draw_outline, label_text
from sampler.drawing.colours import BOTTOM_RIGHT, CASING, IGNORED, OBJECT, TOP_LEFT, Colour

MAX_LABELS = 24
"""Only the largest boxes are labelled; more labels would hide the picture."""


def picture(view: SampleView, size: int) -> Image.Image:
    """Return a picture of a sample whose longer side is `size` pixels, with the names of the boxes."""
    canvas, zoom = _enlarged(view, size)
    draw = ImageDraw.Draw(canvas)
    _draw_boxes(draw, view, zoom, thin=False)
    _draw_labels(canvas, view, zoom)
    _draw_corners(draw, view, zoom, radius=4)
    return canvas


def thumbnail(view: SampleView, size: int) -> str:
    """Return a small picture without names as a `data:` URL."""
    canvas, zoom = _enlarged(view, size)
    draw = ImageDraw.Draw(canvas)
    _draw_boxes(draw, view, zoom, thin=True)
    _draw_corners(draw, view, zoom, radius=2)
    data = io.BytesIO()
    canvas.save(data, "JPEG", quality=88, subsampling=0)  # subsampled colours would blur thin lines
    return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}"


def _enlarged(view: SampleView, size: int) -> tuple[Image.Image, float]:
    height, width = view.image.shape[:2]
    zoom = size / max(height, width)
    sides = max(1, round(width * zoom)), max(1, round(height * zoom))
    return Image.fromarray(view.image).resize(sides, Image.Resampling.LANCZOS), zoom


def _draw_boxes(draw: ImageDraw.ImageDraw, view: SampleView, zoom: float, *, thin: bool) -> None:
    for number, box in _largest_first(view, zoom):
        draw_outline(draw, box, _colour(view, number), thin=thin)


def _draw_corners(draw: ImageDraw.ImageDraw, view: SampleView, zoom: float, radius: int) -> None:
    for corners, colour in zip((view.top_left, view.bottom_right), (TOP_LEFT, BOTTOM_RIGHT), strict=True):
        for x, y in (corners * zoom).tolist():
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour, outline=CASING)


def _draw_labels(canvas: Image.Image, view: SampleView, zoom: float) -> None:
    labels = BoxLabels(canvas)
    for number, box in list(_largest_first(view, zoom))[:MAX_LABELS]:
        labels.write(label_text(view.names[number], int(view.labels[number])), box, _colour(view, number))


def _largest_first(view: SampleView, zoom: float) -> Iterator[tuple[int, Pixels]]:
    """Yield the number of each box and its place in the picture."""
    sides = view.boxes[:, 2:] - view.boxes[:, :2]
    for number in (-sides.prod(axis=1)).argsort(kind="stable").tolist():
        x0, y0, x1, y1 = np.rint(view.boxes[number] * zoom).astype(np.intp).tolist()
        yield number, (x0, y0, max(x0, x1), max(y0, y1))  # Pillow refuses a rectangle from right to left


def _colour(view: SampleView, number: int) -> Colour:
    return OBJECT if view.objects[number] else IGNORED
