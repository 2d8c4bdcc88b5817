"""Boxes and their labels, drawn on a panel of the debug picture."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from service.explorer.inspection import Corners, InspectedBox, State
from service.explorer.picture import style
from service.explorer.picture.style import Colour

STATE_COLOURS: dict[State, Colour] = {
    "outside": style.OUTSIDE,
    "ignored": style.IGNORED,
    "object": style.OBJECT,
}
"""Colour of each state, in drawing order: what matters most is drawn last."""

MAX_LABELS = 12
"""Only the largest boxes are labelled; more labels would hide the picture."""

_LABEL_WIDTH = 132
_LABEL_HEIGHT = 17
_THIN_ABOVE = 60
"""With more boxes than this on a panel, all have thin lines."""

Pixels = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class View:
    """How a plane is shown on a square panel: its point (left, top) at the panel's corner, enlarged by `zoom`."""

    side: int
    zoom: float
    left: float = 0.0
    top: float = 0.0

    def place(self, box: Corners) -> Pixels:
        """Return a box of the plane in whole panel pixels, clipped to the panel."""
        x0, x1 = ((x - self.left) * self.zoom for x in (box[0], box[2]))
        y0, y1 = ((y - self.top) * self.zoom for y in (box[1], box[3]))
        x0, y0, x1, y1 = (min(max(value, 0.0), self.side - 1) for value in (x0, y0, x1, y1))
        return round(x0), round(y0), round(x1), round(y1)


def draw_boxes(panel: Image.Image, boxes: Sequence[tuple[InspectedBox, Corners]], view: View) -> None:
    """Draw boxes, given with their corners in the plane that `view` shows, and label the largest."""
    draw = ImageDraw.Draw(panel)
    order = list(STATE_COLOURS)
    placed = [(box, view.place(corners)) for box, corners in boxes]
    placed.sort(key=lambda pair: (pair[0].is_reference, order.index(pair[0].state), -_area(pair[1])))
    for box, pixels in placed:
        _draw_outline(draw, pixels, _colour(box), thin=len(boxes) > _THIN_ABOVE and not box.is_reference)
    taken: list[Pixels] = []
    for box, pixels in sorted(placed, key=lambda pair: (not pair[0].is_reference, -_area(pair[1])))[:MAX_LABELS]:
        _draw_label(draw, box, pixels, view.side, taken)


def _area(box: Pixels) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def _colour(box: InspectedBox) -> Colour:
    return style.REFERENCE if box.is_reference else STATE_COLOURS[box.state]


def _draw_outline(draw: ImageDraw.ImageDraw, box: Pixels, colour: Colour, *, thin: bool) -> None:
    x0, y0, x1, y1 = box
    if not thin and max(x1 - x0, y1 - y0) > 20:
        draw.rectangle((x0 - 1, y0 - 1, x1 + 1, y1 + 1), outline=style.CASING, width=4)
        draw.rectangle(box, outline=colour, width=2)
    else:
        draw.rectangle(box, outline=colour)


def _draw_label(draw: ImageDraw.ImageDraw, box: InspectedBox, pixels: Pixels, side: int, taken: list[Pixels]) -> None:
    """Draw a label above a box, or at its top, unless it meets a label drawn before."""
    text = style.fitted(label_text(box), style.LABEL_SIZE, _LABEL_WIDTH)
    width = style.width_of(text, style.LABEL_SIZE) + 8
    x = min(max(pixels[0] - 1, 0), side - width)
    y = pixels[1] - _LABEL_HEIGHT if pixels[1] > _LABEL_HEIGHT else pixels[1]
    spot = (x, y, x + width - 1, y + _LABEL_HEIGHT - 1)
    if any(x <= t[2] and t[0] <= spot[2] and y <= t[3] and t[1] <= spot[3] for t in taken):
        return
    taken.append(spot)
    draw.rectangle(spot, fill=_colour(box))
    style.write(draw, (x + 4, y + 4), text, style.LABEL_SIZE)


def label_text(box: InspectedBox) -> str:
    """Return the name of a box's category, with its number if the font lacks characters of the name."""
    name = style.drawable(box.name)
    if not name:
        return f"category {box.category}"
    return f"{box.category}: {name}" if "?" in name and "?" not in box.name else name
