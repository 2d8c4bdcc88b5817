"""Image files of all formats: their headers, their orientation, and their decoding."""

import io
import zlib
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import cv2
import numpy as np
from PIL import Image

from sampler.dataset.images.decode import ReadOptions, decode_image
from sampler.dataset.images.header import DecodeError, read_header
from tests.fuzz.mutations import mutate
from tests.fuzz.target import Target, require
from tests.support.coco_files import photo

SIZE = (40, 56)
OPTIONS = (ReadOptions(max_pixels=1 << 20), ReadOptions(max_pixels=1 << 20, damaged="refuse"))
_PNG = b"\x89PNG"
_SUFFIXES = (".jpg", ".png", ".webp", ".tif", ".bmp", ".jp2", ".ppm", ".pgm", ".pbm", ".pam", ".hdr", ".ras", ".pfm")


def build(folder: Path) -> Target:
    """Return the target."""
    files = _opencv_files() + _pillow_files()
    for data in files:
        run(data)
    return Target(partial(_make, files), run, (DecodeError,), memory_mb=256)


def _opencv_files() -> list[bytes]:
    pixels = photo(SIZE[1], SIZE[0])
    return [cv2.imencode(suffix, _for_suffix(suffix, pixels))[1].tobytes() for suffix in _SUFFIXES]


def _for_suffix(suffix: str, pixels: Any) -> Any:
    if suffix in (".hdr", ".pfm"):
        return pixels.astype(np.float32) / 255
    return pixels[..., 0] if suffix in (".pgm", ".pbm") else pixels


def _pillow_files() -> list[bytes]:
    colour = Image.fromarray(photo(SIZE[1], SIZE[0])[..., ::-1])
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "maker"
    options: list[tuple[str, str, dict[str, Any]]] = [
        ("JPEG", "RGB", {"exif": exif}), ("JPEG", "RGB", {"progressive": True}), ("JPEG", "CMYK", {}),
        ("JPEG", "L", {"exif": exif}), ("PNG", "RGBA", {}), ("PNG", "P", {}), ("PNG", "I;16", {}), ("GIF", "P", {}),
        ("WEBP", "RGBA", {"lossless": True}), ("WEBP", "RGB", {"exif": exif}), ("TIFF", "RGB", {"exif": exif}),
        ("TIFF", "RGB", {"compression": "tiff_lzw"}), ("TIFF", "RGB", {"compression": "jpeg"}),
        ("TIFF", "1", {"compression": "group4"}), ("TIFF", "L", {"compression": "tiff_adobe_deflate"}),
        ("AVIF", "RGB", {}), ("AVIF", "RGBA", {"exif": exif}), ("PNG", "RGB", {"exif": exif}),
    ]  # fmt: skip
    found = []
    for name, mode, more in options:
        file = io.BytesIO()
        image = colour.convert("L").convert(mode) if mode == "I;16" else colour.convert(mode)
        image.save(file, name, **more)
        found.append(file.getvalue())
    return found


def _make(files: list[bytes], rng: Random) -> bytes:
    data = mutate(rng.choice(files), rng, files)
    return _with_checksums(data) if data.startswith(_PNG) and rng.random() < 0.7 else data


def _with_checksums(data: bytes) -> bytes:
    """Return a PNG whose chunks have checksums that fit, as far as there are chunks."""
    fixed, at = bytearray(data), 8
    while at + 12 <= len(fixed):
        end = at + 8 + int.from_bytes(fixed[at : at + 4])
        if end + 4 > len(fixed):
            break
        fixed[end : end + 4] = zlib.crc32(fixed[at + 4 : end]).to_bytes(4)
        at = end + 4
    return bytes(fixed)


def run(data: bytes) -> None:
    """Decode an image as it is, and with the size that its header has."""
    header = read_header(data)
    height, width = header.size
    found = decode_image(data, None, OPTIONS[len(data) % 2])
    shape = found.pixels.shape
    require(found.pixels.dtype == np.uint8 and len(shape) == 3 and shape[2] == 3, f"pixels of shape {shape}")
    require(shape[:2] in ((height, width), (width, height)), f"pixels of shape {shape} for {header}")
    if header.orientation is not None:
        turned = header.orientation >= 5
        require((shape[1], shape[0]) == (height, width) if turned else shape[:2] == (height, width), "another side")
