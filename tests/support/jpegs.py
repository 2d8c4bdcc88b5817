"""JPEG files from several encoders: every subsampling, restart markers, optimised tables, all kinds of content."""

import io
import random
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Encoder = Callable[[Pixels, int], bytes]
"""Makes a JPEG of (H, W, 3) uint8 pixels with a quality, 1 to 100."""

CONTENTS = ("noise", "flat", "extreme", "smooth", "mixed")


def draw(content: str, height: int, width: int, seed: int) -> Pixels:
    """Return (height, width, 3) uint8 pixels of one of `CONTENTS`."""
    rng = np.random.default_rng([height, width, seed])
    y, x = np.mgrid[:height, :width]
    smooth = np.stack([3 * x + y, 2 * y, x + y * y // 7], axis=-1) % 256
    noise = rng.integers(0, 256, (height, width, 3))
    if content == "flat":
        return np.tile(noise[:1, :1], (height, width, 1)).astype(np.uint8)
    if content == "extreme":
        return (noise // 128 * 255).astype(np.uint8)
    if content == "mixed":
        return np.where((x // 24 + y // 24)[..., None] % 2, smooth, noise).astype(np.uint8)
    return (smooth if content == "smooth" else noise).astype(np.uint8)


def _opencv(factor: int, **options: int) -> Encoder:
    flags = {"optimize": cv2.IMWRITE_JPEG_OPTIMIZE, "restart": cv2.IMWRITE_JPEG_RST_INTERVAL}

    def encode(pixels: Pixels, quality: int) -> bytes:
        chosen = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor, cv2.IMWRITE_JPEG_QUALITY, quality]
        for name, value in options.items():
            chosen += [flags[name], value]
        return cv2.imencode(".jpg", pixels, chosen)[1].tobytes()

    return encode


def _pillow(mode: str, **options: Any) -> Encoder:
    def encode(pixels: Pixels, quality: int) -> bytes:
        file = io.BytesIO()
        Image.fromarray(pixels[..., ::-1]).convert(mode).save(file, "JPEG", quality=quality, **options)
        return file.getvalue()

    return encode


def _simplejpeg(subsampling: str) -> Encoder:
    def encode(pixels: Pixels, quality: int) -> bytes:
        grey = subsampling == "Gray"
        source = np.ascontiguousarray(pixels[..., :1]) if grey else pixels
        colours = "GRAY" if grey else "BGR"
        return bytes(simplejpeg.encode_jpeg(source, quality, colours, subsampling))

    return encode


_FACTORS = {
    "4:1:1": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411,
    "4:2:0": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    "4:2:2": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    "4:4:0": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440,
    "4:4:4": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
}

ENCODERS: dict[str, Encoder] = {
    **{f"OpenCV {name}": _opencv(factor) for name, factor in _FACTORS.items()},
    **{f"OpenCV {name}, optimised": _opencv(factor, optimize=1) for name, factor in _FACTORS.items()},
    **{f"OpenCV {name}, restarts": _opencv(factor, restart=1) for name, factor in _FACTORS.items()},
    **{f"Pillow {number}": _pillow("RGB", subsampling=number) for number in range(3)},
    **{f"Pillow {number}, optimised": _pillow("RGB", subsampling=number, optimize=True) for number in range(3)},
    **{f"Pillow {rows}-row restarts": _pillow("RGB", restart_marker_rows=rows) for rows in (1, 2, 3)},
    "Pillow RGB": _pillow("RGB", keep_rgb=True),
    "Pillow grey": _pillow("L"),
    "Pillow grey, optimised": _pillow("L", optimize=True),
    "Pillow grey, restarts": _pillow("L", restart_marker_blocks=1),
    **{f"simplejpeg {name}": _simplejpeg(name) for name in ("444", "422", "420", "440", "411", "Gray")},
}
"""Encoders whose files have entry points whatever the size of the image."""

INTERVAL_ENCODERS: dict[str, tuple[Encoder, int, int]] = {
    f"{name}, {interval} MCUs": (encode, interval, side)
    for interval in (2, 3, 5)
    for name, side, encode in (
        ("OpenCV 4:2:0", 16, _opencv(_FACTORS["4:2:0"], restart=interval, optimize=1)),
        ("OpenCV 4:4:4", 8, _opencv(_FACTORS["4:4:4"], restart=interval)),
        ("Pillow grey", 8, _pillow("L", restart_marker_blocks=interval)),
    )
}
"""Encoders with restart intervals, MCUs per interval and pixels per MCU: a row must be a multiple of the product."""


def damaged(data: bytes, rng: random.Random, first: int = 0) -> bytes:
    """Return bytes with a random change from position `first` on: flipped, replaced, removed, inserted or moved."""
    changed, place, count = bytearray(data), rng.randrange(first, len(data)), rng.randrange(1, 30)
    kind = rng.randrange(6)
    if kind == 0:
        changed[place] ^= 1 << rng.randrange(8)
    elif kind == 1:
        changed[place] = rng.randrange(256)
    elif kind == 2:
        del changed[place : place + count]
    elif kind == 3:
        changed[place:place] = rng.randbytes(count)
    elif kind == 4:
        changed[place : place + count] = (rng.choice([b"\xff", b"\0", b"\xff\0", b"\xff\xd0"]) * count)[:count]
    else:
        other = rng.randrange(first, len(data))
        changed[place : place + count] = changed[other : other + count]
    return bytes(changed)
