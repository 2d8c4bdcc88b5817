"""Draws the demo's pictures: a backdrop, the objects on it, and a camera's grain.

Noise with the spectrum of natural scenes gives the files the size and the decoding time of photographs.
"""

import colorsys
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from service.demo.categories import CATEGORIES
from service.demo.scenes import DemoObject, Scene

Floats = NDArray[np.float32]

_JPEG_QUALITY = 95
_OCTAVES = 7
_GRAIN = np.arange(-128, 128, dtype=np.int8)
# All colours are blue, green, red.
_TONES = {"dark": (42, 36, 34), "light": (224, 234, 237), "glass": (190, 163, 127), "skin": (104, 142, 198)}

# Top and bottom of the sky or wall, dark and light of the ground or floor.
_OUTDOORS = (
    ((198, 134, 79), (236, 224, 207), (30, 74, 47), (92, 180, 157)),  # meadow
    ((171, 156, 142), (221, 217, 213), (60, 58, 58), (150, 154, 156)),  # road
    ((158, 111, 92), (160, 200, 240), (96, 134, 156), (180, 216, 232)),  # sand
    ((176, 110, 63), (234, 212, 185), (216, 196, 180), (255, 255, 255)),  # snow
)
_INDOORS = (
    ((184, 205, 216), (162, 182, 192), (32, 58, 90), (74, 119, 169)),
    ((157, 176, 142), (136, 150, 120), (88, 116, 142), (160, 192, 216)),
)


def draw_scene(scene: Scene) -> bytes:
    """Return the picture as a JPEG file, the same for the same scene and library versions."""
    rng = np.random.Generator(np.random.Philox(scene.image_id))
    canvas = _backdrop(scene, rng)
    relief = _noise(rng, scene.height, scene.width, 1.1)
    for each in scene.objects:
        for single in _members(each) if each.is_crowd else (each,):
            _draw_object(canvas, single, relief)
    grain = _noise(rng, scene.height, scene.width, 1.5)
    grain *= np.float32(rng.uniform(6, 15))
    pixels: Floats = np.asarray(cv2.GaussianBlur(canvas, (3, 3), 0.5))
    pixels += _in_colours(grain, canvas)
    np.clip(pixels, 0, 255, out=pixels)
    return cv2.imencode(".jpg", pixels.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()


def _in_colours(plane: Floats, out: Floats | None = None) -> Floats:
    """Return (H, W, 3) with a plane (H, W) in each colour: faster than broadcasting it. out: contiguous."""
    return np.asarray(cv2.merge((plane, plane, plane), out))


def _noise(rng: np.random.Generator, height: int, width: int, roughness: float) -> Floats:
    """Return fractal noise of seven octaves, (height, width), most of it within −1…1.

    Each octave has `roughness` times the amplitude of the next coarser one: 0.5 looks like clouds, 1.3 like tarmac.
    """
    step = 1 << (_OCTAVES - 1)
    level = np.zeros((-(-height // step) + 1, -(-width // step) + 1), np.int16)
    amplitudes = [64 * roughness**octave / max(1, roughness ** (_OCTAVES - 1)) for octave in range(_OCTAVES)]
    for octave, amplitude in enumerate(amplitudes):
        level = np.asarray(cv2.pyrUp(level)) if octave else level
        random = rng.integers(0, 1 << 32, -(-level.size // 4), np.uint32).view(np.uint8)
        grain = random[: level.size].reshape(level.shape)
        level += np.asarray(cv2.LUT(grain, (_GRAIN * np.float32(amplitude)).astype(np.int16)))
    return level[:height, :width] * np.float32(0.6 / 74 / np.linalg.norm(amplitudes))


def _backdrop(scene: Scene, rng: np.random.Generator) -> Floats:
    """Return sky, hills and ground, or a wall and a floor, as (H, W, 3) of 0…255."""
    top, bottom, dark, light = rng.choice(_INDOORS if scene.is_indoors else _OUTDOORS).astype(np.float32)
    above, below, width = scene.horizon, scene.height - scene.horizon, scene.width
    fall = np.linspace(0, 1, above, dtype=np.float32)[:, None]
    canvas = np.empty((scene.height, width, 3), np.float32)
    upper, lower = canvas[:above], canvas[above:]
    clouds = _noise(rng, above, width, 0.6)
    clouds *= np.float32(0.1 if scene.is_indoors else 0.5)
    clouds += fall
    _ramp(top, bottom, clouds, upper)
    if scene.is_indoors:
        upper[-8:] = light
    else:
        _draw_hills(upper, dark, rng)
    streaks = np.asarray(cv2.resize(_noise(rng, below, width // 5, 1.0), (width, below)))
    _ramp(dark, light, 0.5 + 0.25 * streaks + 0.2 * _noise(rng, below, width, 1.2), lower)
    return canvas


def _ramp(start: Floats, stop: Floats, amount: Floats, out: Floats) -> None:
    """Fill (H, W, 3) with colours from `start` to `stop`, for an `amount` (H, W) of 0…1, which is clipped."""
    np.clip(amount, 0, 1, out=amount)
    cv2.merge([amount * span + low for low, span in zip(start, stop - start, strict=True)], out)


def _draw_hills(sky: Floats, colour: Floats, rng: np.random.Generator) -> None:
    height, width = sky.shape[:2]
    for haze in (0.6, 0.3):
        leaves = _noise(rng, height, width, 0.8)
        edge = height * (0.95 - 0.4 * haze + 0.12 * _noise(rng, 8, width, 0.55)[0])
        mask = np.clip(np.arange(height)[:, None] - edge + 4 * leaves, 0, 1)
        top = int(mask.any(axis=1).argmax())  # above, there is only sky
        shade = 0.9 + 0.2 * leaves[top:]
        for channel, tone in enumerate(colour * (1 - haze)):
            part = sky[top:, :, channel]
            part += (tone * shade + 190 * haze - part) * mask[top:]


def _members(crowd: DemoObject) -> list[DemoObject]:
    """Return a row of objects that fills a crowd's box."""
    x, y, width, height = crowd.box
    return [replace(crowd, box=(x + width * i // 12, y, width // 12, height), tint=i * 97 % 256) for i in range(12)]


def _draw_object(canvas: Floats, each: DemoObject, relief: Floats) -> None:
    """Paint an object in place: a shadow on the ground, then its parts, rounded and lit from the upper left."""
    left, top, width, height = (value // 100 for value in each.box)
    spread = max(2, min(width, height) // 6)
    x, y = max(left - spread, 0), max(top - spread, 0)
    patch = slice(y, top + height + spread), slice(x, left + width + spread)
    area = canvas[patch]
    shadow, mask, colours = np.zeros(area.shape[:2], np.uint8), np.zeros(area.shape[:2], np.uint8), np.empty_like(area)
    cv2.ellipse(shadow, (left + width // 2 - x, top + height - y), (width // 2, spread // 2), 0, 0, 360, (140,), -1)
    area *= _in_colours(1 - _blurred(shadow, spread))

    colours[:] = base = _colour(each)
    tones = {**_TONES, "self": base, "shade": tuple(0.62 * channel for channel in base)}
    for tone, points in each.silhouette.parts:
        cv2.fillPoly(colours, [_corners(each, points, x, y)], tones[tone], cv2.LINE_AA, 4)
    cv2.fillPoly(mask, [_corners(each, each.silhouette.outline, x, y)], (255,), cv2.LINE_AA, 4)
    soft = _blurred(mask, 2 * spread)
    slope = np.gradient(soft, axis=0) + np.gradient(soft, axis=1)
    light = (0.75 + 0.3 * soft + 0.3 * spread * slope) * (1 + 0.16 * relief[patch])
    colours *= _in_colours(light)
    colours -= area
    colours *= _in_colours(mask.astype(np.float32) / np.float32(255))
    area += colours


def _colour(each: DemoObject) -> tuple[float, float, float]:
    """Return a colour of the category's own hue; only people wear all colours."""
    hue = each.tint / 256 if each.category is CATEGORIES[0] else CATEGORIES.index(each.category) * 0.618 % 1
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.3 + each.tint % 16 / 50, 0.45 + each.tint / 640)
    return 255 * blue, 255 * green, 255 * red


def _corners(each: DemoObject, points: str, x: int, y: int) -> NDArray[np.int32]:
    """Return a polygon's corners in sixteenths of a pixel from the picture's pixel (x, y)."""
    return (np.array(each.polygon(points)) * 16 // 100 - [16 * x, 16 * y]).astype(np.int32)


def _blurred(mask: NDArray[np.uint8], radius: int) -> Floats:
    """Return a mask of 0…255 blurred over about `radius` pixels, (H, W) of 0…1."""
    size = (radius | 1, radius | 1)
    return np.asarray(cv2.blur(cv2.blur(mask, size), size)) / np.float32(255)
