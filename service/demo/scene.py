"""Draws the demo's pictures: a backdrop per scene, the objects over it, and what a camera adds."""

from collections.abc import Callable

import cv2
import numpy as np

from service.demo.layout import Picture
from service.demo.objects import draw_things
from service.demo.shapes import Shape
from service.demo.texture import Floats, Noise, Pixels, cover, ramp, receding, rgb, softened, vertical

JPEG_QUALITY = 95
"""With the camera's grain this gives files of a photo's weight: 100–200 KB at 640×480."""

_PIXEL_KEY = 0x5ACC_ADE0_DE30_0002
_SKIES = (
    (0x4F86C6, 0xCFE0EC), (0x6C9BD2, 0xE6E4DA), (0x8E9CAB, 0xD9DCDD), (0x3F6EB0, 0xB9D4EA), (0x5C6F9E, 0xF0C8A0),
)  # fmt: skip
_WALLS = (0xD8CDB8, 0xB7C4C4, 0xC9B49A, 0x9FB0A2, 0xDAD6CE, 0xB99C8C, 0x8E9DB0)
_HOUSES = (0xA65F48, 0xB9A98E, 0x8A8F96, 0xC7B7A0, 0x7A5648, 0x9C9A8C, 0xD2C4AE)
_WOODS = ((0x5A3A20, 0xA9774A), (0x7A5632, 0xC99D68), (0x3C2818, 0x7C5538), (0x8E7458, 0xD8C0A0))


def _sky(canvas: Floats, horizon: int, noise: Noise) -> None:
    height, width = horizon + 8, canvas.shape[1]
    top, bottom = _SKIES[noise.below(len(_SKIES))]
    sky = ramp(top, bottom, vertical(height, width) ** np.float32(0.8))
    tall = noise.fractal(height, width // 2 + 1, 0.6)
    clouds = np.asarray(cv2.resize(tall, (width, height), interpolation=cv2.INTER_LINEAR))
    cover(sky, rgb(0xF4F3F0), np.clip(clouds * 1.1 - np.float32(noise.between(-0.2, 0.6)), 0, 0.9))
    canvas[:height] = sky[: canvas.shape[0]]


def _hills(canvas: Floats, horizon: int, noise: Noise, far: int, near: int) -> None:
    """Three ridges behind one another, from hazy to dark, each with its own leaves."""
    height, width = horizon + 8, canvas.shape[1]
    rows = np.arange(height, dtype=np.float32)[:, None]
    for layer in range(3):
        lift = horizon * noise.between(0.12, 0.34) * (1 - layer * 0.3)
        bumps = noise.fractal(8, width, 0.55)[0] * np.float32(horizon * 0.12)
        leaves = noise.fractal(height, width, 0.6 + 0.12 * layer)
        edge = rows - (height - lift + bumps)[None, :] + leaves * (2 + 3 * layer)
        mask = np.clip(edge, 0, 1)
        shade = ramp(far, near, leaves * (0.12 + 0.1 * layer) + np.float32(layer * 0.42))
        cover(canvas[:height], shade[: canvas.shape[0]], mask)


def _ground(canvas: Floats, horizon: int, noise: Noise, dark: int, light: int, roughness: float) -> None:
    """Grass, tarmac, snow or sand up to the horizon: finer and hazier with the distance."""
    height, width = canvas.shape[0] - horizon, canvas.shape[1]
    flat = receding(noise.fractal(512, 512, 1.0), height, width)
    near = noise.fractal(height, width, roughness)
    texture = 0.5 + 0.2 * flat + 0.22 * near + 0.15 * (0.5 - vertical(height, width))
    canvas[horizon:] = ramp(dark, light, texture)


def _house(canvas: Floats, left: int, right: int, top: int, foot: int, noise: Noise) -> None:
    wall = rgb(_HOUSES[noise.below(len(_HOUSES))]) * np.float32(noise.between(0.75, 1.1))
    cv2.rectangle(canvas, (left, top), (right, foot), wall.tolist(), -1)
    cv2.rectangle(canvas, (left - 2, top), (right + 2, top + 4), (wall * 0.7).tolist(), -1)
    across, down = 14 + noise.below(12), 20 + noise.below(14)
    for y in range(top + 12, foot - down, down):
        for x in range(left + 6, right - across // 2 - 3, across):
            glass = rgb(0x3A4654 if noise.below(4) else 0xB9C6CE) * np.float32(noise.between(0.8, 1.2))
            sill = y + down * 3 // 5
            cv2.rectangle(canvas, (x, y), (x + across // 2, sill), glass.tolist(), -1)
            cv2.line(canvas, (x - 1, sill + 1), (x + across // 2 + 1, sill + 1), (wall * 1.2).tolist())


def _street(canvas: Floats, horizon: int, noise: Noise) -> None:
    height, width = canvas.shape[:2]
    _sky(canvas, horizon, noise)
    left = -noise.below(60)
    while left < width:
        right = left + 60 + noise.below(110)
        _house(canvas, left, right, noise.below(max(1, horizon * 2 // 3)), horizon + 8, noise)
        left = right + noise.below(14)
    walls = canvas[: horizon + 8]
    walls *= 1 + 0.1 * noise.fractal(walls.shape[0], width, 0.85)[..., None]
    if noise.below(3) == 0:
        _hills(canvas, horizon, noise, 0x6C7F5C, 0x2E4526)
    _ground(canvas, horizon, noise, 0x3A3A3C, 0x9C9A96, 1.3)
    kerb = horizon + (height - horizon) // 6
    pavement = canvas[horizon:kerb]
    pavement += (rgb(0xB9B3A8) - pavement) * np.float32(0.55)
    cv2.line(canvas, (0, kerb), (width, kerb), rgb(0xCFCBC2).tolist(), 3, cv2.LINE_AA)
    _lane_marks(canvas, kerb, noise)


def _lane_marks(canvas: Floats, kerb: int, noise: Noise) -> None:
    """Five dashes from the kerb towards the viewer, wider and longer the nearer they are."""
    height, width = canvas.shape[:2]
    middle, far = width // 4 + noise.below(width // 2), width // 3 + noise.below(width // 3)
    for place in range(5):
        near, beyond = (kerb + (height - kerb) * (place + share) ** 2 / 25 for share in (0.15, 0.7))
        edges = [far + (middle - far) * (y - kerb) / (height - kerb) for y in (near, beyond)]
        wide = [1 + 9 * (y - kerb) / (height - kerb) for y in (near, beyond)]
        corners = [
            (edges[0] - wide[0], near), (edges[0] + wide[0], near),
            (edges[1] + wide[1], beyond), (edges[1] - wide[1], beyond),
        ]  # fmt: skip
        cv2.fillPoly(canvas, [np.array(corners, np.int32)], rgb(0xD8D4C8).tolist(), cv2.LINE_AA)


def _field(canvas: Floats, horizon: int, noise: Noise) -> None:
    _sky(canvas, horizon, noise)
    _hills(canvas, horizon, noise, 0x8FA6B4, 0x2F4A2A)
    dark, light = ((0x2F4A1E, 0x9DB45C), (0x5A5228, 0xC9B872), (0x3C5A24, 0x8FBE5A))[noise.below(3)]
    _ground(canvas, horizon, noise, dark, light, 1.1)


def _snow(canvas: Floats, horizon: int, noise: Noise) -> None:
    _sky(canvas, horizon, noise)
    _hills(canvas, horizon, noise, 0xD5DFEA, 0x3E5260)
    _ground(canvas, horizon, noise, 0xB4C4D8, 0xFFFFFF, 0.95)


def _water(canvas: Floats, horizon: int, noise: Noise) -> None:
    height, width = canvas.shape[:2]
    _sky(canvas, horizon, noise)
    _ground(canvas, horizon, noise, 0x9C8660, 0xE8D8B4, 1.3)
    deep = height - horizon
    ripples = np.asarray(cv2.resize(noise.fractal(deep, width // 6 + 1, 0.85), (width, deep)))
    depth = vertical(deep, width)
    sea = ramp(0x1F4E6E, 0x8FC0C8, 0.25 + 0.4 * depth + ripples * (0.1 + 0.25 * depth))
    shore = height * noise.between(0.72, 1.05) + noise.fractal(8, width, 0.5)[0] * 14
    edge = np.arange(horizon, height, dtype=np.float32)[:, None] - shore[None, :]
    foam = np.clip(1 - np.abs(edge + 4) / 6, 0, 1) * np.clip(0.7 + ripples, 0, 1)
    cover(canvas[horizon:], sea, np.clip(-edge / 4, 0, 1))
    cover(canvas[horizon:], rgb(0xF3F5F4), foam)


def _planks(noise: Noise, boards: int) -> Floats:
    """A wooden floor from above, (512, 512, 3): long grain, boards of different tone, dark joints."""
    dark, light = _WOODS[noise.below(len(_WOODS))]
    grain = np.asarray(cv2.resize(noise.fractal(64, 512, 0.85), (512, 512))).T
    tones = np.repeat(np.array([noise.between(-0.2, 0.2) for _ in range(boards)], np.float32), -(-512 // boards))
    wood = ramp(dark, light, 0.5 + 0.3 * grain + tones[None, :512])
    if boards > 1:
        wood[:, :: -(-512 // boards)] *= 0.45
    return wood


def _room(canvas: Floats, horizon: int, noise: Noise) -> None:
    height, width = canvas.shape[:2]
    wall = rgb(_WALLS[noise.below(len(_WALLS))])
    plaster = 1 + 0.035 * noise.fractal(horizon, width, 0.95)
    lamp = noise.between(0, width)
    across = np.abs(np.arange(width, dtype=np.float32) - np.float32(lamp)) / np.float32(width)
    canvas[:horizon] = wall * (plaster * (1.05 - 0.4 * across))[..., None]
    if noise.below(3):
        _window(canvas, horizon, noise)
    else:
        _framed_pictures(canvas, horizon, noise)
    canvas[horizon:] = receding(_planks(noise, 24), height - horizon, width)
    canvas[horizon:] *= (0.75 + 0.3 * vertical(height - horizon, width))[..., None]
    cv2.rectangle(canvas, (0, horizon - 10), (width, horizon), (wall * 0.5 + 120).clip(0, 245).tolist(), -1)
    cv2.line(canvas, (0, horizon + 1), (width, horizon + 1), (40, 45, 50), 2)


def _framed_pictures(canvas: Floats, horizon: int, noise: Noise) -> None:
    for x in range(noise.below(60), canvas.shape[1], 190):
        y, wide, high = horizon // 8 + noise.below(horizon // 6), 50 + noise.below(70), 40 + noise.below(60)
        cv2.rectangle(canvas, (x, y), (x + wide, y + high), rgb(0x3B2C22).tolist(), -1)
        inside = canvas[y + 5 : y + high - 4, x + 5 : x + wide - 4]
        if inside.size:
            inside[:] = ramp(0x3E5A7A, 0xE0B070, 0.5 + 0.5 * noise.fractal(inside.shape[0], inside.shape[1], 0.6))


def _window(canvas: Floats, horizon: int, noise: Noise) -> None:
    width = canvas.shape[1]
    left, wide = noise.below(width * 3 // 4), width // 6 + noise.below(width // 6)
    top, high = horizon // 10, horizon * 6 // 10
    view = canvas[top : top + high, left : left + wide]
    rows, columns = view.shape[:2]
    view[:] = ramp(0xE9F1F6, 0x86A672, vertical(rows, columns) + 0.3 * noise.fractal(rows, columns, 0.7))
    for x in (left, left + wide // 2, left + wide):
        cv2.line(canvas, (x, top), (x, top + high), (232, 236, 238), 6)
    for y in (top, top + high // 2, top + high):
        cv2.line(canvas, (left, y), (left + wide, y), (226, 230, 232), 6)


def _table(canvas: Floats, horizon: int, noise: Noise) -> None:
    height, width = canvas.shape[:2]
    _room(canvas, max(horizon * 3 // 2, height // 4), noise)
    canvas[:] = softened(canvas, 15)
    canvas[horizon:] = receding(_planks(noise, 1 + 5 * noise.below(2)), height - horizon, width)
    gloss = np.clip(1.15 - 0.45 * vertical(height - horizon, width), 0, 2)
    canvas[horizon:] *= (gloss + 0.05 * noise.fractal(height - horizon, width, 0.95))[..., None]
    canvas[horizon : horizon + 4] *= 1.25
    for _ in range(noise.below(3)):
        _plate(canvas, horizon, noise)


def _plate(canvas: Floats, horizon: int, noise: Noise) -> None:
    height, width = canvas.shape[:2]
    centre = (noise.below(width), horizon + 40 + noise.below(max(1, height - horizon - 60)))
    wide = int((0.1 + 0.22 * (centre[1] - horizon) / (height - horizon)) * width)
    colour = rgb((0xEFEDE8, 0xDDE4E8, 0xE8DCC8)[noise.below(3)])
    shadow = np.zeros(canvas.shape[:2], np.uint8)
    cv2.ellipse(shadow, (centre[0] + 6, centre[1] + 7), (wide, wide // 2), 0, 0, 360, (150,), -1)
    canvas *= 1 - softened(shadow.astype(np.float32), 15)[..., None] * np.float32(0.6 / 255)
    for share, light in ((1.0, 0.92), (0.97, 1.0), (0.7, 0.86), (0.67, 0.97)):
        axes = (int(wide * share), int(wide * share / 2))
        cv2.ellipse(canvas, centre, axes, 0, 0, 360, (colour * light).tolist(), -1, cv2.LINE_AA)


_BACKDROPS: dict[str, Callable[[Floats, int, Noise], None]] = {
    "street": _street,
    "field": _field,
    "water": _water,
    "snow": _snow,
    "room": _room,
    "table": _table,
}


def _exposed(canvas: Floats, noise: Noise) -> Pixels:
    """What a camera makes of it: uneven light, darker corners, a slightly soft lens, and grain."""
    height, width = canvas.shape[:2]
    light = np.asarray(cv2.resize(noise.fractal(height // 8 + 2, width // 8 + 2, 0.45), (width, height)))
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    exposure = noise.between(0.95, 1.15) + 0.1 * light - 0.1 * (x * x + y * y)
    soft = np.asarray(cv2.GaussianBlur(canvas * exposure[..., None], (3, 3), 0.5))
    grain = noise.fractal(height, width, 1.5) * np.float32(noise.between(6, 15))
    return np.clip(soft + grain[..., None], 0, 255).astype(np.uint8)


def draw_picture(picture: Picture, shapes: dict[str, Shape]) -> Pixels:
    """The picture as (height, width, 3) uint8 BGR; the same for the same picture and library versions."""
    noise = Noise(_PIXEL_KEY, picture.number)
    canvas = np.zeros((picture.height, picture.width, 3), np.float32)
    _BACKDROPS[picture.scene](canvas, picture.horizon, noise)
    draw_things(canvas, picture, shapes, noise)
    return _exposed(canvas, noise)


def encode_picture(picture: Picture, shapes: dict[str, Shape]) -> bytes:
    """The picture as a JPEG file."""
    _, data = cv2.imencode(".jpg", draw_picture(picture, shapes), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return data.tobytes()
