"""Boxes and their labels, drawn on a panel of the debug picture."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from sampler.drawing.boxes import BoxLabels, Pixels, draw_outline, label_text
from sampler.drawing.colours import IGNORED, OBJECT, Colour
from service.explorer.inspection import Corners, InspectedBox, State
from service.explorer.picture.style import OUTSIDE, REFERENCE

STATE_COLOURS: dict[State, Colour] = {
    "outside": OUTSIDE,
    "ignored": IGNORED,
    "object": OBJECT,
}
"""Colour of each state, in drawing order: what matters most is drawn last."""

MAX_LABELS = 12
"""Only the largest boxes are labelled; more labels would hide the picture."""

_THIN_ABOVE = 60
"""With more boxes than this on a panel, all have thin lines."""


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
        draw_outline(draw, pixels, _colour(box), thin=len(boxes) > _THIN_ABOVE and not box.is_reference)
    labels = BoxLabels(panel)
    for box, pixels in sorted(placed, key=lambda pair: (not pair[0].is_reference, -_area(pair[1])))[:MAX_LABELS]:
        labels.write(label_text(box.name, box.category), pixels, _colour(box))


def _area(box: Pixels) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def _colour(box: InspectedBox) -> Colour:
    return REFERENCE if box.is_reference else STATE_COLOURS[box.state]
