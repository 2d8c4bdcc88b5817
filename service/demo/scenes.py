"""Which objects each of the demo's pictures shows, and where.

Only integers made from `Random.random`, which Python guarantees to stay the same: the annotations are identical on
every machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TypeVar

from service.demo.categories import CATEGORIES, SILHOUETTES, Category, Silhouette

T = TypeVar("T")
Box = tuple[int, int, int, int]
"""x, y, width and height in hundredths of a pixel."""

_INDOORS = ("kitchen", "food", "furniture", "electronic", "appliance", "indoor")

# Picture sizes, numbers of objects, and ranges of the square root of a box's area in pixels, each about as often as in
# COCO. COCO calls boxes small up to 32 pixels and medium up to 96.
_SIZES = (
    *[(640, 480)] * 4, *[(480, 640)] * 2, *[(640, 427)] * 2, (427, 640), (640, 426), (500, 375), (375, 500), (612, 612),
    (640, 640), (640, 360), (500, 333),
)  # fmt: skip
_COUNTS = (1, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 8, 9, 10, 12, 14, 17, 22)
_CROWDED_SIDES = ((8, 13), (13, 19), (19, 26), (26, 32), (36, 46))
_SIDES = (*_CROWDED_SIDES, (46, 60), (60, 78), (78, 96), (100, 125), (125, 160), (160, 220), (220, 310))


@dataclass(frozen=True, slots=True)
class DemoObject:
    """One annotated object, or a crowd of them; its box lies inside the picture. `tint` (0…255) varies the colour."""

    category: Category
    box: Box
    tint: int
    is_crowd: bool = False

    @property
    def silhouette(self) -> Silhouette:
        return SILHOUETTES[self.category.supercategory]

    def polygon(self, points: str) -> list[tuple[int, int]]:
        """Return a polygon of the silhouette as x, y in hundredths of a pixel of the picture."""
        left, top, width, height = self.box
        pairs = (pair.split(",") for pair in points.split())
        return [(left + width * int(x) // 100, top + height * int(y) // 100) for x, y in pairs]


@dataclass(frozen=True, slots=True)
class Scene:
    """What one picture shows. Sizes and `horizon` (first row of the ground) in pixels; objects in drawing order."""

    image_id: int
    width: int
    height: int
    horizon: int
    is_indoors: bool
    objects: tuple[DemoObject, ...]

    @property
    def file_name(self) -> str:
        """The file name in COCO's style."""
        return f"{self.image_id:012d}.jpg"


def compose_scene(number: int) -> Scene:
    """Return picture `number` of an endless series."""
    random = Random(number)
    theme = CATEGORIES[number * 37 % len(CATEGORIES)]  # 37 and 80 share no divisor: each category is a theme
    is_indoors = theme.supercategory in _INDOORS
    width, height = _choice(_SIZES, random)
    empty = Scene(139 + 2273 * number, width, height, height * _integer(30, 52, random) // 100, is_indoors, ())
    similar = [category for category in CATEGORIES if (category.supercategory in _INDOORS) == is_indoors]
    people = [] if is_indoors else [CATEGORIES[0]] * 2
    categories = [theme, _choice(similar, random), _choice(similar, random), *people]

    objects = [_crowd(categories[-1], empty, random)] if number % 41 == 7 else []
    count = _object_count(number, random)
    sides = [_integer(*_choice(_CROWDED_SIDES if count > 40 else _SIDES, random), random) for _ in range(count)]
    # The smallest are drawn last: nothing larger hides them.
    for place, side in enumerate(sorted(sides, reverse=True)):
        objects.append(_object(_choice(categories, random) if place else theme, side, empty, objects, random))
    return replace(empty, objects=tuple(objects))


def _integer(low: int, high: int, random: Random) -> int:
    """Return a uniform integer from low to high, both included."""
    return low + int(random.random() * (high - low + 1))


def _choice(options: Sequence[T], random: Random) -> T:
    return options[_integer(0, len(options) - 1, random)]


def _object_count(number: int, random: Random) -> int:
    """Some pictures are empty, some are crowded, and one has more objects than a sample has tags (128)."""
    if number % 100 == 2:
        return 0
    if number == 5:
        return 150
    return _integer(41, 56, random) if number % 64 == 20 else _choice(_COUNTS, random)


def _object(category: Category, side: int, scene: Scene, others: Sequence[DemoObject], random: Random) -> DemoObject:
    """Return an object on the ground with a box of side² pixels, where it overlaps the others least of a few places."""
    stretch = SILHOUETTES[category.supercategory].stretch * _integer(75, 130, random) // 100
    width = min(side * stretch, 100 * scene.width - _integer(0, 1000, random))
    height = min(side * 10000 // stretch, 100 * scene.height - _integer(0, 1000, random))
    boxes: list[Box] = []
    for _ in range(8):
        # Near objects look large and stand low in the picture.
        distance = max(100 - side // 2 - _integer(5, 60, random), 0)
        bottom = 100 * scene.height - (scene.height - scene.horizon) * distance
        boxes.append((_integer(0, 100 * scene.width - width, random), max(bottom - height, 0), width, height))
    best = min(boxes, key=lambda box: sum(_overlap(box, other.box) for other in others))
    return DemoObject(category, best, tint=_integer(0, 255, random))


def _overlap(a: Box, b: Box) -> int:
    width, height = (min(a[i] + a[i + 2], b[i] + b[i + 2]) - max(a[i], b[i]) for i in (0, 1))
    return max(width, 0) * max(height, 0)


def _crowd(category: Category, scene: Scene, random: Random) -> DemoObject:
    """Return a strip full of one category, in whole pixels because COCO marks crowds by a mask."""
    width, height = scene.width * _integer(30, 60, random) // 100, scene.height * _integer(10, 18, random) // 100
    x, y = _integer(0, scene.width - width, random), scene.horizon - height // 4
    return DemoObject(category, (100 * x, 100 * y, 100 * width, 100 * height), tint=0, is_crowd=True)
