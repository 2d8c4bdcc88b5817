"""Textures for the demo's pictures: noise with the spectrum of natural scenes, gradients and perspective."""

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]

_OCTAVES = 7


class Noise:
    """The noise of one picture: bytes of a Philox stream keyed by (`key`, `number`), in the order of the calls."""

    def __init__(self, key: int, number: int) -> None:
        self._words = np.random.Philox(key=np.array([key, number], np.uint64))

    def grain(self, height: int, width: int) -> NDArray[np.int8]:
        """White noise, (height, width) int8, uniform over −128…127."""
        words = self._words.random_raw((height * width + 7) // 8)
        return words.view(np.int8)[: height * width].reshape(height, width)

    def between(self, low: float, high: float) -> float:
        """One uniform number of [low, high)."""
        return low + (high - low) * (int(self._words.random_raw()) >> 40) / (1 << 24)

    def below(self, stop: int) -> int:
        """One uniform integer of 0…stop − 1."""
        return (int(self._words.random_raw()) >> 32) * stop >> 32

    def fractal(self, height: int, width: int, roughness: float) -> Floats:
        """Noise of seven octaves, (height, width) float32, most of it within −1…1.

        Each octave's amplitude is `roughness` times that of the one twice as coarse: 0.5 looks like clouds, 0.8
        like foliage. The pyramid is int16, exact on every machine.
        """
        step = 1 << (_OCTAVES - 1)
        level = np.zeros((-(-height // step) + 1, -(-width // step) + 1), np.int16)
        # The largest octave peaks at 64 × 128, so that the sum of all stays within int16.
        amplitude, total = 64.0 / max(1.0, roughness) ** (_OCTAVES - 1), 0.0
        for octave in range(_OCTAVES):
            if octave:
                level = np.asarray(cv2.pyrUp(level))
            level += (self.grain(*level.shape) * np.float32(amplitude)).astype(np.int16)
            total += (amplitude * 74) ** 2
            amplitude *= roughness
        return level[:height, :width].astype(np.float32) * np.float32(0.6 / total**0.5)


def rgb(colour: int) -> Floats:
    """A colour 0xRRGGBB as (3,) float32 in 0…255, in OpenCV's order: blue, green, red."""
    return np.array([colour & 255, colour >> 8 & 255, colour >> 16], np.float32)


def ramp(start: int, stop: int, amount: Floats) -> Floats:
    """Colours from `start` to `stop` (0xRRGGBB): `amount` (H, W) of 0…1 gives (H, W, 3) float32 in 0…255."""
    first = rgb(start)
    return np.asarray(cv2.transform(np.clip(amount, 0, 1), np.column_stack([rgb(stop) - first, first])))


def vertical(height: int, width: int) -> Floats:
    """0 in the first row to 1 in the last, (height, width) float32."""
    return np.repeat(np.linspace(0, 1, height, dtype=np.float32)[:, None], width, axis=1)


def cover(canvas: Floats, paint: Floats, mask: Floats) -> None:
    """Paint over `canvas` (H, W, 3) in place where `mask` (H, W) of 0…1 says; `paint` is (H, W, 3) or (3,)."""
    canvas += (paint - canvas) * mask[..., None]


def receding(plane: Floats, height: int, width: int) -> Floats:
    """A floor seen from standing height: `plane` (h, w, …) laid down to fill (height, width), far edge on top."""
    rows, columns = plane.shape[:2]
    corners = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], np.float32)
    across = width * 1.3
    target = np.array([[-0.3 * width, 0], [across, 0], [4 * width, height], [-3 * width, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(corners, target)
    size, border = (width, height), cv2.BORDER_REFLECT
    return np.asarray(cv2.warpPerspective(plane, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border))


def softened(plane: Floats, radius: int) -> Floats:
    """`plane` (H, W, …) blurred over about `radius` pixels; two box filters, whose cost does not grow with it."""
    size = (radius | 1, radius | 1)
    return np.asarray(cv2.blur(cv2.blur(plane, size), size))
