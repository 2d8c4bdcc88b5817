"""Boxes and their labels on a picture. Needs Pillow."""

from PIL import Image, ImageDraw

from sampler.drawing.colours import CASING, Colour
from sampler.drawing.text import drawable, fitted, width_of, write

Pixels = tuple[int, int, int, int]

LABEL_SIZE = 13
_LABEL_WIDTH = 132
_LABEL_HEIGHT = 17
_SMALL = 20
"""The outline of a box whose longer side has at most this many pixels is always thin."""


def draw_outline(draw: ImageDraw.ImageDraw, box: Pixels, colour: Colour, *, thin: bool) -> None:
    """Draw the outline of a box: 1 pixel if thin, otherwise 2 with a dark edge."""
    x0, y0, x1, y1 = box
    if thin or max(x1 - x0, y1 - y0) <= _SMALL:
        draw.rectangle(box, outline=colour)
        return
    draw.rectangle((x0 - 1, y0 - 1, x1 + 1, y1 + 1), outline=CASING, width=4)
    draw.rectangle(box, outline=colour, width=2)


def label_text(name: str, number: int) -> str:
    """Return the name of a category as it can be drawn, with the category's number if characters are missing."""
    shown = drawable(name)
    if not shown:
        return f"category {number}"
    return f"{number}: {shown}" if "?" in shown and "?" not in name else shown


class BoxLabels:
    """The labels on one picture."""

    def __init__(self, picture: Image.Image) -> None:
        """picture: the labels are drawn on it."""
        self._draw = ImageDraw.Draw(picture)
        self._side = picture.width
        self._taken: list[Pixels] = []

    def write(self, text: str, box: Pixels, colour: Colour) -> None:
        """Draw a label above a box, or at its top, unless it meets a label drawn before."""
        text = fitted(text, LABEL_SIZE, _LABEL_WIDTH)
        width = width_of(text, LABEL_SIZE) + 8
        x = max(min(max(box[0] - 1, 0), self._side - width), 0)
        y = box[1] - _LABEL_HEIGHT if box[1] > _LABEL_HEIGHT else box[1]
        spot = (x, y, x + width - 1, y + _LABEL_HEIGHT - 1)
        if any(x <= t[2] and t[0] <= spot[2] and y <= t[3] and t[1] <= spot[3] for t in self._taken):
            return
        self._taken.append(spot)
        self._draw.rectangle(spot, fill=colour)
        write(self._draw, (x + 4, y + 4), text, LABEL_SIZE)
