"""Boxes and their labels, drawn over a panel of the debug picture."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from service.explorer.inspection import BoxFate, Corners, State
from service.explorer.picture import style
from service.explorer.picture.style import Colour

STATE_COLOURS: dict[State, Colour] = {
    "object": style.OBJECT,
    "ignored": style.IGNORED,
    "outside": style.OUTSIDE,
}
DASHES: dict[State, int] = {"object": 0, "ignored": 6, "outside": 3}
"""Length of the dashes in pixels, 0 for an unbroken line: a second sign beside the colour."""

MAX_LABELS = 12
"""Only that many of the largest boxes of a panel are named: more would hide the picture."""

SMALL_BOX = 22
"""Boxes whose longer side is shorter than this on the panel get a thinner line, and no label on top."""

CROWDED = 60
"""With more boxes than this on a panel, all get thin lines."""

LABEL_WIDTH = 132
LABEL_HEIGHT = 17
RING_GAP = 3
"""Pixels between a reference box and the ring around it."""

Pixels = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class View:
    """How a plane is shown on a panel: its point (left, top) at the panel's corner, `zoom` panel pixels per pixel."""

    left: float
    top: float
    zoom_x: float
    zoom_y: float

    def place(self, box: Corners, size: tuple[int, int]) -> Pixels:
        """Return the box x0, y0, x1, y1 in whole panel pixels, cut to a panel of `size` (width, height)."""
        x0, x1 = (_cut((x - self.left) * self.zoom_x, size[0]) for x in (box[0], box[2]))
        y0, y1 = (_cut((y - self.top) * self.zoom_y, size[1]) for y in (box[1], box[3]))
        return x0, y0, x1, y1


def _cut(value: float, extent: int) -> int:
    return round(min(max(value, 0.0), extent - 1))


def draw_boxes(
    panel: Image.Image, boxes: Sequence[tuple[BoxFate, Corners]], view: View, avoid: Sequence[Pixels] = ()
) -> int:
    """Draw boxes given with their corners in the plane that `view` shows; return how many have labels.

    Labels keep clear of each other, of small boxes and of the areas to `avoid`. What matters most is drawn last: boxes
    outside the crop, ignored ones, objects, the reference.
    """
    draw = ImageDraw.Draw(panel)
    order: tuple[State, ...] = ("outside", "ignored", "object")
    placed = [(box, view.place(corners, panel.size)) for box, corners in boxes]
    for box, pixels in sorted(placed, key=lambda pair: (order.index(pair[0].state), -_area(pair[1]))):
        outline(draw, pixels, box.state, thin=len(boxes) > CROWDED)
    for box, pixels in placed:
        if box.is_reference:
            ring(draw, pixels, panel.size)
    return _draw_labels(draw, placed, panel.size, avoid)


def outline(draw: ImageDraw.ImageDraw, box: Pixels, state: State, *, thin: bool = False) -> None:
    """Draw one box in the line of its state, two pixels wide inside its edge with a dark casing, or thin without."""
    colour, dash = STATE_COLOURS[state], DASHES[state]
    x0, y0, x1, y1 = box
    small = _is_small(box)
    width = 1 if thin or small or min(x1 - x0, y1 - y0) <= 4 else 2
    if not (thin or small):
        draw.rectangle((x0 - 1, y0 - 1, x1 + 1, y1 + 1), outline=style.CASING, width=width + 1)
    if small or not dash:
        draw.rectangle(box, outline=colour, width=width)
        return
    for step in range(width):
        for line in _dashes((x0 + step, y0 + step, x1 - step, y1 - step), dash):
            draw.line(line, fill=colour)


def _dashes(box: Pixels, length: int) -> Iterator[Pixels]:
    x0, y0, x1, y1 = box
    for x in range(x0, x1 + 1, 2 * length):
        end = min(x + length - 1, x1)
        yield (x, y0, end, y0)
        yield (x, y1, end, y1)
    for y in range(y0, y1 + 1, 2 * length):
        end = min(y + length - 1, y1)
        yield (x0, y, x0, end)
        yield (x1, y, x1, end)


def ring(draw: ImageDraw.ImageDraw, box: Pixels, size: tuple[int, int]) -> None:
    """Mark a box by a second one around it, kept inside a panel of `size` (width, height)."""
    gap = RING_GAP + 1
    x0, y0 = max(box[0] - gap, 1), max(box[1] - gap, 1)
    x1, y1 = min(box[2] + gap, size[0] - 2), min(box[3] + gap, size[1] - 2)
    draw.rectangle((x0 - 1, y0 - 1, x1 + 1, y1 + 1), outline=style.CASING, width=4)
    draw.rectangle((x0, y0, x1, y1), outline=style.REFERENCE, width=2)


def _is_small(box: Pixels) -> bool:
    return max(box[2] - box[0], box[3] - box[1]) < SMALL_BOX


def _area(box: Pixels) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def _draw_labels(
    draw: ImageDraw.ImageDraw,
    placed: list[tuple[BoxFate, Pixels]],
    size: tuple[int, int],
    avoid: Sequence[Pixels],
) -> int:
    taken = [*avoid, *(pixels for _, pixels in placed if len(placed) <= CROWDED and _is_small(pixels))]
    obstacles = len(taken)
    first = sorted(placed, key=lambda pair: (not pair[0].is_reference, -_area(pair[1])))
    for box, pixels in first[:MAX_LABELS]:
        text = style.fitted(label_text(box), style.LABEL_SIZE, min(LABEL_WIDTH, size[0] - 8))
        width = style.width_of(text, style.LABEL_SIZE) + 8
        spot = next((s for s in _spots(pixels, width, size) if not any(_meet(s, other) for other in taken)), None)
        if spot is None:
            continue
        taken.append(spot)
        colour = style.REFERENCE if box.is_reference else STATE_COLOURS[box.state]
        draw.rectangle(spot, fill=colour)
        style.write(draw, (spot[0] + 4, spot[1] + 4), text, style.LABEL_SIZE)
    return len(taken) - obstacles


def label_text(box: BoxFate) -> str:
    """Return what a box is called; with its category number where the font lacks some of the name."""
    name = style.drawable(box.name)
    if not name:
        return f"category {box.category}"
    return f"{box.category}: {name}" if "?" in name and "?" not in box.name else name


def _spots(box: Pixels, width: int, size: tuple[int, int]) -> Iterator[Pixels]:
    """Yield the places of a label, best first: above the box, inside it, below it, all within the panel."""
    for x in (box[0] - 1, box[2] + 2 - width):
        for y in (box[1] - LABEL_HEIGHT - 1, box[1] + 2, box[3] - LABEL_HEIGHT - 1, box[3] + 2):
            if 0 <= y <= size[1] - LABEL_HEIGHT:
                left = min(max(x, 0), size[0] - width)
                yield (left, y, left + width - 1, y + LABEL_HEIGHT - 1)


def _meet(a: Pixels, b: Pixels) -> bool:
    return a[0] <= b[2] + 1 and b[0] <= a[2] + 1 and a[1] <= b[3] + 1 and b[1] <= a[3] + 1
