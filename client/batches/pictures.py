"""Pictures of samples: the image with boxes, names and corners. Needs Pillow."""

import base64
import io
from collections.abc import Iterator

from PIL import Image, ImageDraw, ImageFont

from client.batches.picture_colours import BOTTOM_RIGHT, CASING, IGNORED, OBJECT, TOP_LEFT, Colour
from client.batches.sample_view import SampleView

Pixels = tuple[float, float, float, float]

LABEL_SIZE = 13
MAX_LABELS = 24
"""Only the largest boxes are labelled; more labels would hide the picture."""
LONGEST_LABEL = 24


def picture(view: SampleView, size: int) -> Image.Image:
    """Return a picture of a sample whose longer side is `size` pixels, with the names of the boxes."""
    canvas, zoom = _enlarged(view, size)
    draw = ImageDraw.Draw(canvas)
    _draw_boxes(draw, view, zoom, width=2)
    _draw_labels(draw, view, zoom, canvas.size)
    _draw_corners(draw, view, zoom, radius=4)
    return canvas


def thumbnail(view: SampleView, size: int) -> str:
    """Return a small picture without names as a `data:` URL."""
    canvas, zoom = _enlarged(view, size)
    draw = ImageDraw.Draw(canvas)
    _draw_boxes(draw, view, zoom, width=1)
    _draw_corners(draw, view, zoom, radius=2)
    data = io.BytesIO()
    canvas.save(data, "JPEG", quality=88, subsampling=0)  # subsampled colours would blur thin lines
    return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}"


def _enlarged(view: SampleView, size: int) -> tuple[Image.Image, float]:
    height, width = view.image.shape[:2]
    zoom = size / max(height, width)
    sides = max(1, round(width * zoom)), max(1, round(height * zoom))
    return Image.fromarray(view.image).resize(sides, Image.Resampling.LANCZOS), zoom


def _draw_boxes(draw: ImageDraw.ImageDraw, view: SampleView, zoom: float, width: int) -> None:
    for number, (x0, y0, x1, y1) in _largest_first(view, zoom):
        if width > 1:
            draw.rectangle((x0 - 1, y0 - 1, x1 + 1, y1 + 1), outline=CASING, width=width + 2)
        draw.rectangle((x0, y0, x1, y1), outline=_colour(view, number), width=width)


def _draw_corners(draw: ImageDraw.ImageDraw, view: SampleView, zoom: float, radius: int) -> None:
    for corners, colour in zip((view.top_left, view.bottom_right), (TOP_LEFT, BOTTOM_RIGHT), strict=True):
        for x, y in (corners * zoom).tolist():
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour, outline=CASING)


def _draw_labels(draw: ImageDraw.ImageDraw, view: SampleView, zoom: float, size: tuple[int, int]) -> None:
    """Write the names of the largest boxes at their top left, unless one meets another that was drawn before."""
    font = ImageFont.load_default(LABEL_SIZE)
    taken: list[Pixels] = []
    for number, box in list(_largest_first(view, zoom))[:MAX_LABELS]:
        text = _drawable(view.names[number], int(view.labels[number]))
        left, _, right, bottom = draw.textbbox((0, 0), text, font=font)
        width, height = right - left + 8, bottom + 5
        x = min(max(box[0] - 1, 0), max(size[0] - width, 0))
        y = box[1] - height if box[1] >= height else box[1]
        spot = (x, y, x + width, y + height)
        if any(spot[0] < t[2] and t[0] < spot[2] and spot[1] < t[3] and t[1] < spot[3] for t in taken):
            continue
        taken.append(spot)
        draw.rectangle(spot, fill=_colour(view, number))
        draw.text((x + 4, y + 2), text, font=font, fill=CASING)


def _largest_first(view: SampleView, zoom: float) -> Iterator[tuple[int, Pixels]]:
    """Yield the number of each box and its place in the picture."""
    sides = view.boxes[:, 2:] - view.boxes[:, :2]
    for number in (-sides.prod(axis=1)).argsort(kind="stable").tolist():
        x0, y0, x1, y1 = (view.boxes[number] * zoom).tolist()
        yield number, (x0, y0, max(x0, x1), max(y0, y1))  # Pillow refuses a rectangle from right to left


def _colour(view: SampleView, number: int) -> Colour:
    return OBJECT if view.objects[number] else IGNORED


def _drawable(name: str, label: int) -> str:
    """Return a name as Pillow's font can draw it, with its label if characters are missing."""
    text = " ".join(name.split())
    shown = text.encode("latin-1", "replace").decode("latin-1")
    shown = shown if len(shown) <= LONGEST_LABEL else shown[: LONGEST_LABEL - 3] + "..."
    return shown if text.isascii() or "?" not in shown else f"{label}: {shown}"
