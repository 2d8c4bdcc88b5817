"""The recipe of a sample: every random decision, as a value that is drawn, recorded, sent and replayed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sampler.checks import require_bool, require_integer, require_number
from sampler.errors import RecipeError
from sampler.printable import shown

JITTER_STEPS = ("brightness", "contrast", "saturation")
KNOWN_STEPS = frozenset(JITTER_STEPS)
FIELDS = ("scale", "reference", "center", "flip", "jitter", "lighting")
KNOWN_FIELDS = frozenset(FIELDS)
OPTIONAL_FIELDS = frozenset({"substitute"})

_integer = partial(require_integer, error=RecipeError)
_number = partial(require_number, error=RecipeError)

FLOAT = {float}
TWO_INTEGERS = [int, int]
"""Types of a number and of a centre in an encoded recipe."""

MAX_SCALE = 4096.0
"""Largest scale. Boxes thinner than 1/256 pixel are not enlarged further."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one sample is made from its image.

    Attributes:
        scale: Above 0, up to 4096. Saccade resizes the image by it; cornernet cuts a canvas of that many input sizes.
        reference: Row of the box that the scale was chosen for, among the boxes left after clipping to the image; None
            if there is no such box.
        center: (y, x) of the crop in pixels, in the scaled image (saccade) or in the image itself (cornernet).
        flip: Whether left and right are swapped.
        jitter: (step, gain) in the order in which they are applied.
        lighting: Weights of the three colour eigenvectors.
        substitute: Dataset index of the image that the sample is made from, if it is not that of its key.
    """

    scale: float
    reference: int | None
    center: tuple[int, int]
    flip: bool
    jitter: tuple[tuple[str, float], ...] = ()
    lighting: tuple[float, float, float] = (0.0, 0.0, 0.0)
    substitute: int | None = None

    def __post_init__(self) -> None:
        """Raise `RecipeError` that names the field and the range."""
        if not 0 < self.scale <= MAX_SCALE:  # NaN compares false
            raise RecipeError(f"scale = {shown(self.scale)}: expected a number above 0, up to {MAX_SCALE:g}")
        if self.reference is not None and self.reference < 0:
            raise RecipeError(f"reference = {shown(self.reference)}: expected null or a row number of at least 0")
        gains = dict(self.jitter)
        if len(gains) != len(self.jitter) or not gains.keys() <= KNOWN_STEPS:
            names = [name for name, _ in self.jitter]
            raise RecipeError(f"jitter = {shown(names)}: expected each of {', '.join(JITTER_STEPS)} at most once")
        if not all(map(math.isfinite, (*gains.values(), *self.lighting))):
            raise RecipeError("jitter and lighting: expected finite numbers")
        if self.substitute is not None and self.substitute < 0:
            raise RecipeError(f"substitute = {shown(self.substitute)}: expected null or a dataset index of at least 0")

    def as_dict(self) -> dict[str, Any]:
        """Return the recipe as plain lists and numbers, which `Recipe.parse` turns into the same recipe.

        `substitute` is left out if there is none.
        """
        fields: dict[str, Any] = {
            "scale": self.scale,
            "reference": self.reference,
            "center": list(self.center),
            "flip": self.flip,
            "jitter": [[name, gain] for name, gain in self.jitter],
            "lighting": list(self.lighting),
        }
        return fields if self.substitute is None else fields | {"substitute": self.substitute}

    @classmethod
    def parse(cls, document: object) -> "Recipe":
        """Return the recipe of an `as_dict` or a recording. Raises `RecipeError` that names the field at fault."""
        if isinstance(document, dict) and tuple(document) == FIELDS:
            plain = _plain_values(*document.values())
            if plain is not None:
                return cls(*plain)
        if not isinstance(document, dict) or document.keys() - OPTIONAL_FIELDS != KNOWN_FIELDS:
            names = ", ".join(FIELDS)
            raise RecipeError(f"recipe: expected an object with exactly {names}, and substitute for another image")
        substitute = document.get("substitute")
        scale, reference, center, flip, jitter, lighting = map(document.__getitem__, FIELDS)
        y, x = _row("center", center, 2)
        pairs = [_row("jitter", row, 2) for row in _list("jitter", jitter)]
        first, second, third = _row("lighting", lighting, 3)
        return cls(
            _number("scale", scale),
            None if reference is None else _integer("reference", reference),
            (_integer("center", y), _integer("center", x)),
            require_bool("flip", flip, error=RecipeError),
            tuple([(str(name), _number("jitter", gain)) for name, gain in pairs]),
            (_number("lighting", first), _number("lighting", second), _number("lighting", third)),
            None if substitute is None else _integer("substitute", substitute),
        )


def _plain_values(
    scale: Any, reference: Any, center: Any, flip: Any, jitter: Any, lighting: Any
) -> tuple[Any, ...] | None:
    """Return the fields of a recipe if its values are of the types that `as_dict` gives them, else None.

    A client parses the recipe of every sample. Values are checked together here, which is faster than one by one.
    """
    if not type(center) is type(jitter) is type(lighting) is list or len(lighting) != 3:
        return None
    try:
        gains = dict(jitter)
    except (TypeError, ValueError):  # not pairs; the caller finds out which
        return None
    numbers = (scale, *lighting, *gains.values())
    if set(map(type, numbers)) != FLOAT or not math.isfinite(sum(numbers)) or list(map(type, center)) != TWO_INTEGERS:
        return None
    if len(gains) != len(jitter) or type(flip) is not bool or not (reference is None or type(reference) is int):
        return None
    return scale, reference, tuple(center), flip, tuple(gains.items()), tuple(lighting)


def _list(field: str, value: object) -> Sequence[Any]:
    if not isinstance(value, (list, tuple)):  # a union type would be built on each call
        raise RecipeError(f"{field} = {shown(value)}: expected a list")
    return value


def _row(field: str, value: object, length: int) -> Sequence[Any]:
    if type(value) is list and len(value) == length:
        return value
    row = _list(field, value)
    if len(row) != length:
        raise RecipeError(f"{field} = {shown(value)}: expected {length} entries")
    return row
