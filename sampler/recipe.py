"""Every random decision of one sample, as a value that is drawn, recorded, sent and replayed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sampler.errors import RecipeError

JITTER_STEPS = ("brightness", "contrast", "saturation")
KNOWN_STEPS = frozenset(JITTER_STEPS)
FIELDS = ("scale", "reference", "center", "flip", "jitter", "lighting")
KNOWN_FIELDS = frozenset(FIELDS)

MAX_SCALE = 4096.0
"""Largest scale: boxes thinner than 1/256 pixel are not enlarged further than this."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one sample is made from its image.

    scale: above 0, up to 4096; the image is resized by it (saccade) or the canvas is that many input sides long
    (cornernet).
    reference: row of the box that the scale was chosen for, among the boxes left after clipping to the image;
    None without. center: (y, x) of the crop in pixels, in the scaled image (saccade) or the image as it is
    (cornernet). flip: left and right swapped. jitter: (step, gain) in the order applied. lighting: the three
    normals that weigh the colour eigenvectors.
    """

    scale: float
    reference: int | None
    center: tuple[int, int]
    flip: bool
    jitter: tuple[tuple[str, float], ...] = ()
    lighting: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        """Raise `RecipeError` naming the field and what would be right."""
        if not 0 < self.scale <= MAX_SCALE:  # NaN compares false
            raise RecipeError(f"scale = {self.scale!r}: expected a number above 0, up to {MAX_SCALE:g}")
        if self.reference is not None and self.reference < 0:
            raise RecipeError(f"reference = {self.reference!r}: expected null or a row number from 0")
        gains = dict(self.jitter)
        if len(gains) != len(self.jitter) or not gains.keys() <= KNOWN_STEPS:
            names = [name for name, _ in self.jitter]
            raise RecipeError(f"jitter = {names}: expected each of {', '.join(JITTER_STEPS)} at most once")
        if not all(map(math.isfinite, (*gains.values(), *self.lighting))):
            raise RecipeError("jitter and lighting: expected finite numbers")

    def as_dict(self) -> dict[str, Any]:
        """As plain lists and numbers; `Recipe.parse` of it is the same recipe."""
        return {
            "scale": self.scale,
            "reference": self.reference,
            "center": list(self.center),
            "flip": self.flip,
            "jitter": [[name, gain] for name, gain in self.jitter],
            "lighting": list(self.lighting),
        }

    @classmethod
    def parse(cls, document: object) -> "Recipe":
        """Return the recipe that `as_dict` or a recording gives. Raises `RecipeError` naming what is wrong."""
        if not isinstance(document, dict) or document.keys() != KNOWN_FIELDS:
            raise RecipeError(f"recipe: expected an object with exactly {', '.join(FIELDS)}")
        scale, reference, center, flip, jitter, lighting = map(document.__getitem__, FIELDS)
        if reference is not None:
            reference = _integer("reference", reference)
        if not isinstance(flip, bool):
            raise RecipeError(f"flip = {flip!r}: expected true or false")
        y, x = _row("center", center, 2)
        pairs = [_row("jitter", row, 2) for row in _list("jitter", jitter)]
        first, second, third = _row("lighting", lighting, 3)
        return cls(
            _number("scale", scale),
            reference,
            (_integer("center", y), _integer("center", x)),
            flip,
            tuple([(str(name), _number("jitter", gain)) for name, gain in pairs]),
            (_number("lighting", first), _number("lighting", second), _number("lighting", third)),
        )


def _list(field: str, value: object) -> Sequence[Any]:
    if not isinstance(value, (list, tuple)):  # a union would be made anew at each call
        raise RecipeError(f"{field} = {value!r}: expected a list")
    return value


def _row(field: str, value: object, length: int) -> Sequence[Any]:
    if type(value) is list and len(value) == length:
        return value
    row = _list(field, value)
    if len(row) != length:
        raise RecipeError(f"{field} = {value!r}: expected {length} entries")
    return row


def _number(field: str, value: object) -> float:
    if type(value) is float:
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RecipeError(f"{field} = {value!r}: expected a number")
    try:
        return float(value)
    except OverflowError:
        raise RecipeError(f"{field}: expected a number that a 64-bit float holds") from None


def _integer(field: str, value: object) -> int:
    if type(value) is int:
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        raise RecipeError(f"{field} = {value!r}: expected an integer")
    return value
