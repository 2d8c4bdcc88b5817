"""Draws the demo's objects: silhouettes with parts, light from one side, texture, and a soft shadow."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from service.demo.layout import Picture, Thing, outline_in
from service.demo.shapes import Points, Shape
from service.demo.texture import Floats, Noise, Pixels, rgb, softened

_TONES = {
    "dark": 0x22242A, "pale": 0xEDEAE0, "glass": 0x7FA3BE, "lamp": 0xF4DE7A, "red": 0xC0302A, "green": 0x4F8F3C,
    "rose": 0xD98FA6, "wood": 0x6E4A2C, "clay": 0xA85F3C, "metal": 0xA9AFB6, "hair": 0x35261C, "glow": 0xF3EDE4,
}  # fmt: skip
_SKIN = (0xE0B294, 0xC68E68, 0x8F5F42, 0x6A452F)
_CLOTH = (0x2C3550, 0x4B4238, 0x7C2F33, 0x3E5A44, 0x8A8478, 0xC9BFA8, 0x2A2A2E, 0x4E6F94)
_SHIRTS = (0x3F63A8, 0xB23A33, 0xE1DACB, 0x2F6F5A, 0xD69A2D, 0x5D4A7E, 0x33363D, 0x86A8C4)
_SUBPIXELS = 4  # fractional bits of the coordinates given to OpenCV


@dataclass(frozen=True, slots=True)
class _Patch:
    """The part of a canvas an object touches: first column and row, and size, in pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def area(self) -> tuple[slice, slice]:
        """Rows and columns, as an index into the canvas."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


def _patch(thing: Thing, picture: Picture, margin: int = 0) -> _Patch:
    x, y, width, height = thing.box
    left, top = max(x // 100 - margin, 0), max(y // 100 - margin, 0)
    right = min((x + width) // 100 + 1 + margin, picture.width)
    bottom = min((y + height) // 100 + 1 + margin, picture.height)
    return _Patch(left, top, right - left, bottom - top)


def _corners(thing: Thing, points: Points, patch: _Patch) -> NDArray[np.int32]:
    """The points in the patch's pixels, as (N, 2) int32 with `_SUBPIXELS` fractional bits."""
    scale = 1 << _SUBPIXELS
    return np.array(
        [
            (x * scale // 100 - patch.left * scale, y * scale // 100 - patch.top * scale)
            for x, y in outline_in(thing, points)
        ],
        np.int32,
    )


def _fill(canvas: NDArray[np.uint8], corners: NDArray[np.int32], colour: Sequence[float]) -> None:
    if len(corners) == 2:
        (left, top), (right, bottom) = corners.tolist()
        centre, axes = ((left + right) // 2, (top + bottom) // 2), (abs(right - left) // 2, (bottom - top) // 2)
        cv2.ellipse(canvas, centre, axes, 0, 0, 360, colour, -1, cv2.LINE_AA, _SUBPIXELS)
    else:
        cv2.fillPoly(canvas, [corners], colour, cv2.LINE_AA, _SUBPIXELS)


def _tinted(colour: Floats, tint: int) -> Floats:
    """The class's colour as this object has it: up to a fifth lighter or darker, a little warmer or cooler."""
    light = 0.8 + 0.4 * tint / 255
    warm = ((tint * 7 & 255) / 255 - 0.5) * 16
    return np.asarray(np.clip(colour * np.float32(light) + np.array([-warm, 0, warm], np.float32), 8, 250))


def _tone(name: str, base: Floats, tint: int) -> Floats:
    if name in ("self", "shade"):
        return base if name == "self" else np.asarray(base * np.float32(0.62))
    if name == "skin":
        return rgb(_SKIN[tint & 3])
    return rgb(_CLOTH[tint >> 3 & 7] if name == "cloth" else _TONES[name])


def _paint(thing: Thing, shape: Shape, patch: _Patch) -> tuple[Pixels, Pixels]:
    """The flat colours (H, W, 3) and the coverage (H, W) of an object over its patch, both uint8."""
    own = _SHIRTS[thing.tint & 7] if thing.kind.name == "person" else thing.kind.colour
    base = _tinted(rgb(own), thing.tint)
    colours = np.empty((patch.height, patch.width, 3), np.uint8)
    colours[:] = base.astype(np.uint8)
    for name, points in shape.parts:
        _fill(colours, _corners(thing, points, patch), _tone(name, base, thing.tint).tolist())
    mask = np.zeros((patch.height, patch.width), np.uint8)
    _fill(mask, _corners(thing, shape.outline, patch), (255,))
    return colours, mask


def _light(mask: Floats, relief: Floats) -> Floats:
    """How bright the object is over its patch, (H, W) around 1: rounded by its edges, lit from the upper left."""
    height, width = mask.shape
    spread = max(2, min(height, width) // 4)
    # The border counts as outside, so that an object cut by the picture's edge is rounded there as well.
    soft = softened(np.pad(mask, 1), spread)[1:-1, 1:-1]
    across = np.asarray(cv2.Sobel(soft, cv2.CV_32F, 1, 0)) + np.asarray(cv2.Sobel(soft, cv2.CV_32F, 0, 1))
    fall = np.linspace(1.1, 0.84, height, dtype=np.float32)[:, None]
    light = fall * (0.72 + 0.3 * soft) + across * np.float32(spread * 0.045)
    return np.asarray(light * (1 + 0.16 * relief[:height, :width]), np.float32)


def _shade_ground(canvas: Floats, thing: Thing, picture: Picture, strength: float) -> None:
    """A soft shadow on the ground, under the object and to its right."""
    x, y, width, height = (value // 100 for value in thing.box)
    spread = max(1, min(width, height) // 8)
    patch = _patch(thing, picture, 3 * spread)
    shadow = np.zeros((patch.height, patch.width), np.uint8)
    centre = (x + width * 11 // 20 - patch.left, y + height - max(1, spread // 3) - patch.top)
    axes = (max(1, width * 11 // 20), max(1, min(width // 8, height // 6)))
    cv2.ellipse(shadow, centre, axes, 0, 0, 360, (255,), -1)
    soft = softened(shadow.astype(np.float32), 2 * spread)
    canvas[patch.area] *= 1 - soft[..., None] * np.float32(strength / 255)


def _draw(canvas: Floats, thing: Thing, shape: Shape, picture: Picture, relief: Floats) -> None:
    if not thing.kind.aloft:
        _shade_ground(canvas, thing, picture, 0.55)
    patch = _patch(thing, picture)
    colours, coverage = _paint(thing, shape, patch)
    mask = coverage.astype(np.float32) * np.float32(1 / 255)
    lit = colours.astype(np.float32) * _light(mask, relief)[..., None]
    area = canvas[patch.area]
    area += (lit - area) * mask[..., None]


def _members(thing: Thing, shape: Shape, noise: Noise) -> list[Thing]:
    """The single objects that fill a crowd's strip, from back to front; each inside the strip's box."""
    x, y, width, height = thing.box
    members = []
    for place in range(24):
        high = int(height * noise.between(0.55, 0.75))
        wide = min(high * shape.stretch // 1000 * shape.stretch // 1000, width // 4)
        left = x + int((width - wide) * noise.between(0, 1))
        top = y + (height - high) * place // 23
        box = (left, top, wide, high)
        members.append(replace(thing, box=box, tint=noise.below(256), mirrored=place % 2 == 1, skyline=()))
    return members


def draw_things(canvas: Floats, picture: Picture, shapes: dict[str, Shape], noise: Noise) -> None:
    """Draw a picture's things over `canvas` (H, W, 3) float32 BGR of 0…255, in place, from back to front."""
    relief = noise.fractal(picture.height + 2, picture.width + 2, 1.1)
    for thing in picture.things:
        shape = shapes[thing.kind.shape]
        for single in _members(thing, shape, noise) if thing.skyline else [thing]:
            _draw(canvas, single, shape, picture, relief)
