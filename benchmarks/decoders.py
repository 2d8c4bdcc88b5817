"""The fastest way to decode a whole image to exactly the pixels of `cv2.imread`: the limit of samples from JPEG."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image

from benchmarks.measuring import each_run

RUNS = 5

Decode = Callable[[Path], npt.NDArray[np.uint8]]
"""Reads and decodes a file to (height, width, 3) uint8 BGR."""


def _cv2(file: Path) -> npt.NDArray[np.uint8]:
    return cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_COLOR)  # type: ignore[return-value] # OpenCV's stubs lack the dtype


def _pillow(file: Path) -> npt.NDArray[np.uint8]:
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))[:, :, ::-1]


def _simplejpeg(file: Path) -> npt.NDArray[np.uint8]:
    pixels: npt.NDArray[np.uint8] = simplejpeg.decode_jpeg(file.read_bytes(), colorspace="BGR")
    return pixels


def _simplejpeg_fast(file: Path) -> npt.NDArray[np.uint8]:
    data = file.read_bytes()
    pixels: npt.NDArray[np.uint8] = simplejpeg.decode_jpeg(data, colorspace="BGR", fastdct=True, fastupsample=True)
    return pixels


DECODERS: dict[str, Decode] = {
    "simplejpeg": _simplejpeg,
    "simplejpeg with fast DCT": _simplejpeg_fast,
    "OpenCV": _cv2,
    "Pillow": _pillow,
}
"""Each is based on libjpeg-turbo; they differ in its version, in color conversion and in copies."""


@dataclass(frozen=True, slots=True)
class Decoder:
    """A way to decode a file, its CPU time per image in ms, and whether its pixels are those of `cv2.imread`."""

    name: str
    decode: Decode
    milliseconds: float
    exact: bool


def measure_decoders(files: Sequence[Path], decoders: dict[str, Decode] = DECODERS) -> list[Decoder]:
    """Return the decoders, the fastest first. Each decodes all files in turn with the others."""
    cv2.setNumThreads(1)
    exact = [all(_is_exact(decode, file) for file in files) for decode in decoders.values()]
    of_file = [_of_file(decode, files) for decode in decoders.values()]
    times = [min(runs) for runs in each_run(of_file, len(files), RUNS, time.process_time)]
    found = [Decoder(*fields) for fields in zip(decoders, decoders.values(), times, exact, strict=True)]
    return sorted(found, key=lambda decoder: decoder.milliseconds)


def fastest_exact(decoders: Sequence[Decoder]) -> Decoder:
    """Return the fastest of the decoders whose pixels are exact."""
    return min((decoder for decoder in decoders if decoder.exact), key=lambda decoder: decoder.milliseconds)


def describe(decoders: Sequence[Decoder]) -> str:
    """Return one sentence with the time of each decoder."""
    best = fastest_exact(decoders)
    others = ", ".join(
        f"{one.name} {one.milliseconds:.2f}{'' if one.exact else ' (other pixels)'}" for one in decoders if one != best
    )
    return f"The fastest exact decoder is {best.name} with {best.milliseconds:.2f} ms of CPU an image; {others}."


def _is_exact(decode: Decode, file: Path) -> bool:
    expected = cv2.imread(str(file))
    return expected is not None and np.array_equal(decode(file), expected)


def _of_file(decode: Decode, files: Sequence[Path]) -> Callable[[int], object]:
    return lambda number: decode(files[number % len(files)])
