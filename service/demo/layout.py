"""What is where in the demo's pictures, and the COCO file that says so.

All of it is integer arithmetic on raw Philox words, one stream per picture: the annotation file comes out the
same, to the byte, on every machine and with every library version.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from service.demo.categories import CLASSES, DemoClass
from service.demo.shapes import GRID, Points, Shape, load_shapes

T = TypeVar("T")

_LAYOUT_KEY = 0x5ACC_ADE0_DE30_0001

# Sizes in the proportions in which COCO has them, (width, height) and weight.
_SIZES = (
    ((640, 480), 11), ((480, 640), 4), ((640, 427), 5), ((427, 640), 2), ((640, 426), 2), ((500, 375), 3),
    ((375, 500), 2), ((612, 612), 2), ((640, 640), 1), ((640, 360), 1), ((500, 333), 1), ((640, 425), 1),
)  # fmt: skip

# Boxes in an ordinary picture, and weight: mean 5.9, which the crowded pictures raise to COCO's 7.3.
_COUNTS = (
    (1, 16), (2, 14), (3, 12), (4, 10), (5, 8), (6, 8), (7, 6), (8, 6), (9, 4), (10, 4), (11, 3), (12, 2),
    (13, 2), (14, 2), (15, 1), (17, 1), (19, 1), (21, 1), (24, 1), (27, 1),
)  # fmt: skip

# Square roots of box areas in hundredths of a pixel, thirds of COCO's small, medium and large.
_SMALL = ((700, 1200), (1200, 2000), (2000, 3150))
_MEDIUM = ((3250, 4600), (4600, 6600), (6600, 9500))
_LARGE = ((9700, 14000), (14000, 20000), (20000, 31000))
# Weights of small, medium and large: together 41 %, 34 % and 25 %, as in COCO.
_ORDINARY = ((_SMALL, 30), (_MEDIUM, 37), (_LARGE, 33))
_CROWDED = ((_SMALL, 76), (_MEDIUM, 22), (_LARGE, 2))

# Per scene: where the ground begins (range in thousandths of the height), and per cent with people.
_GROUND = {
    "street": (380, 520, 75), "field": (360, 540, 50), "water": (320, 460, 65), "snow": (340, 480, 100),
    "room": (520, 640, 55), "table": (140, 260, 15),
}  # fmt: skip
_PERSON = CLASSES[0]


@dataclass(frozen=True, slots=True)
class Thing:
    """One annotated object. `box` is (x, y, width, height) in hundredths of a pixel, inside the picture.

    `mirrored` turns the silhouette around, `tint` is 0…255 and varies its colour. A crowd is an area full of
    the class; its `skyline` has the mask's first row, in pixels below the box's top, for each of its columns.
    """

    kind: DemoClass
    box: tuple[int, int, int, int]
    mirrored: bool
    tint: int
    skyline: tuple[int, ...] = ()

    @property
    def bottom(self) -> int:
        """The lower edge in hundredths of a pixel."""
        return self.box[1] + self.box[3]


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture to draw. Sizes and `horizon` (first row of the ground) in pixels; things from back to front."""

    number: int
    image_id: int
    width: int
    height: int
    scene: str
    horizon: int
    things: tuple[Thing, ...]

    @property
    def file_name(self) -> str:
        """The file name as COCO writes it: the id in twelve digits."""
        return f"{self.image_id:012d}.jpg"


class _Draws:
    """Integers from one picture's own Philox stream; raw words only, whose values NumPy guarantees."""

    def __init__(self, number: int) -> None:
        self._words = np.random.Philox(key=np.array([_LAYOUT_KEY, number], np.uint64))

    def below(self, stop: int) -> int:
        """A uniform integer of 0…stop − 1."""
        return (int(self._words.random_raw()) >> 32) * stop >> 32

    def between(self, low: int, high: int) -> int:
        """A uniform integer of low…high, both included."""
        return low + self.below(high - low + 1)

    def pick(self, choices: Sequence[T]) -> T:
        """One of the choices, all equally likely."""
        return choices[self.below(len(choices))]

    def weighted(self, choices: Sequence[tuple[T, int]]) -> T:
        """One of the choices, each as likely as its weight."""
        place = self.below(sum(weight for _, weight in choices))
        for value, weight in choices:
            place -= weight
            if place < 0:
                return value
        raise AssertionError("weights must be positive")


def _box_count(number: int, draws: _Draws) -> int:
    """How many objects a picture has: some are empty, some crowded, and number 5 has more than 128."""
    if number % 100 == 2:
        return 0
    if number == 5:
        return 150
    return draws.between(41, 56) if number % 64 == 20 else draws.weighted(_COUNTS)


def _kinds(theme: DemoClass, count: int, draws: _Draws) -> list[DemoClass]:
    """The classes of a picture's objects: its theme, often people, and a few found in the same scene."""
    kinds = [theme]
    if draws.below(100) < _GROUND[theme.scene][2]:
        kinds += [_PERSON, _PERSON]
    neighbours = [kind for kind in CLASSES if kind.scene == theme.scene]
    kinds += [draws.pick(neighbours) for _ in range(draws.below(3))]
    return [theme] + [draws.pick(kinds) for _ in range(count - 1)]


def _sides(count: int, draws: _Draws) -> list[int]:
    """Square roots of the box areas, in hundredths of a pixel, ascending."""
    classes = _CROWDED if count > 40 else _ORDINARY
    return sorted(draws.between(*draws.pick(draws.weighted(classes))) for _ in range(count))


def _overlap(box: tuple[int, int, int, int], things: Sequence[Thing]) -> int:
    x, y, width, height = box
    total = 0
    for thing in things:
        left, top, wide, high = thing.box
        across = min(x + width, left + wide) - max(x, left)
        down = min(y + height, top + high) - max(y, top)
        total += max(across, 0) * max(down, 0)
    return total


def _bottom(kind: DemoClass, side: int, picture: Picture, loose: bool, draws: _Draws) -> int:
    """Where an object stands, in hundredths of a pixel: the larger it looks, the nearer and so the lower."""
    horizon, height = picture.horizon * 100, picture.height * 100
    if kind.aloft:
        return draws.between(height // 10, horizon * 11 // 10)
    depth = draws.between(80, 1000) if loose else min(100 + side * 900 // 20000, 1000) + draws.between(-80, 120)
    return horizon + (height - horizon) * depth // 1000


def _placed(kind: DemoClass, side: int, shape: Shape, picture: Picture, things: list[Thing], draws: _Draws) -> Thing:
    """The object where it hides the least of the others, out of a handful of places."""
    stretch = shape.stretch * draws.between(900, 1110) // 1000
    width = min(side * stretch // 1000, picture.width * 100 - 2 * draws.below(600))
    height = min(side * 1000 // stretch, picture.height * 100 - 2 * draws.below(600))
    loose = picture.scene == "table" or len(things) > 12
    boxes = []
    for _ in range(8):
        bottom = max(height, min(_bottom(kind, side, picture, loose, draws), picture.height * 100))
        boxes.append((draws.between(0, picture.width * 100 - width), bottom - height, width, height))
    best = min(boxes, key=lambda box: _overlap(box, things))
    return Thing(kind, best, mirrored=draws.below(2) == 1, tint=draws.below(256))


def _crowd(kind: DemoClass, picture: Picture, draws: _Draws) -> Thing:
    """A strip full of one class, as COCO marks what is too many to outline; whole pixels, ragged on top."""
    width, height = (
        picture.width * draws.between(30, 60) // 100,
        picture.height * draws.between(10, 18) // 100,
    )
    x = draws.between(0, picture.width - width)
    y = max(0, picture.horizon - height // 4)
    steps = [draws.below(height // 3) for _ in range(width // 8 + 1)]
    steps[draws.below(width // 8)] = 0
    skyline = tuple(steps[column // 8] for column in range(width))
    return Thing(kind, (x * 100, y * 100, width * 100, height * 100), False, draws.below(256), skyline)


def _picture(number: int, shapes: dict[str, Shape]) -> Picture:
    draws = _Draws(number)
    theme = CLASSES[number * 37 % len(CLASSES)]
    width, height = draws.weighted(_SIZES)
    low, high, _ = _GROUND[theme.scene]
    image_id = 139 + 2273 * number + (draws.below(2200) if number else 0)
    horizon = height * draws.between(low, high) // 1000
    empty = Picture(number, image_id, width, height, theme.scene, horizon, ())
    count = _box_count(number, draws)
    if count == 0:
        return empty
    # The largest boxes go to what is large in life, more or less: otherwise a mouse would tower over a car.
    kinds = sorted(_kinds(theme, count, draws), key=lambda kind: kind.length_cm * draws.between(50, 150))
    things: list[Thing] = []
    if number % 41 == 7:
        things.append(_crowd(_PERSON if theme.scene != "table" else theme, empty, draws))
        kinds = kinds[1:]
    for kind, side in reversed(list(zip(kinds, _sides(len(kinds), draws), strict=True))):
        things.append(_placed(kind, side, shapes[kind.shape], empty, things, draws))
    things.sort(key=lambda thing: (not thing.skyline, thing.bottom))
    return Picture(number, image_id, width, height, theme.scene, horizon, tuple(things))


def plan_pictures(count: int) -> tuple[Picture, ...]:
    """The first `count` pictures, in ascending id. Picture n is the same whatever the count."""
    shapes = load_shapes()
    return tuple(_picture(number, shapes) for number in range(count))


def outline_in(thing: Thing, points: Points) -> list[tuple[int, int]]:
    """A shape's points (grid units) within the thing's box: (x, y) in hundredths of a pixel."""
    x, y, width, height = thing.box
    return [(x + width * (GRID - px if thing.mirrored else px) // GRID, y + height * py // GRID) for px, py in points]


def _polygon(thing: Thing, shape: Shape) -> tuple[object, float]:
    """The outline as COCO's flat list of coordinates in pixels, and its area in square pixels."""
    points = outline_in(thing, shape.outline)
    twice = sum(ax * by - bx * ay for (ax, ay), (bx, by) in zip(points, points[1:] + points[:1], strict=True))
    return [[value / 100 for point in points for value in point]], abs(twice) // 200 / 100


def _run_lengths(thing: Thing, picture: Picture) -> tuple[object, float]:
    """The crowd's mask as COCO's uncompressed runs (column by column, background first), and its area."""
    x, y, width, height = (value // 100 for value in thing.box)
    counts, gap = [], x * picture.height + y
    for first in thing.skyline:
        counts += [gap + first, height - first]
        gap = picture.height - height
    counts.append(picture.height * (picture.width - x - width) + picture.height - y - height)
    return {"counts": counts, "size": [picture.height, picture.width]}, float(sum(counts[1::2]))


def _annotation(picture: Picture, place: int, shapes: dict[str, Shape]) -> dict[str, object]:
    thing = picture.things[place]
    segmentation, area = _run_lengths(thing, picture) if thing.skyline else _polygon(thing, shapes[thing.kind.shape])
    return {
        "segmentation": segmentation,
        "area": area,
        "iscrowd": int(bool(thing.skyline)),
        "image_id": picture.image_id,
        "bbox": [value / 100 for value in thing.box],
        "category_id": thing.kind.coco_id,
        "id": 1000 * (picture.number + 1) + place,
    }


def coco_json(pictures: Sequence[Picture]) -> bytes:
    """The COCO instances file (UTF-8 JSON) of the pictures; coordinates in pixels with up to two decimals."""
    shapes = load_shapes()
    document = {
        "info": {"description": "Drawn demo pictures with COCO's categories", "version": "1", "year": 2026},
        "licenses": [{"id": 1, "name": "Apache License 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"}],
        "images": [
            {"license": 1, "file_name": p.file_name, "height": p.height, "width": p.width, "id": p.image_id}
            for p in pictures
        ],
        "annotations": [
            _annotation(picture, place, shapes) for picture in pictures for place in range(len(picture.things))
        ],
        "categories": [{"supercategory": c.supercategory, "id": c.coco_id, "name": c.name} for c in CLASSES],
    }
    return json.dumps(document, separators=(",", ":")).encode()
