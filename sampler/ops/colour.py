"""All colour steps of a sample as one 3×4 matrix.

Brightness, contrast, saturation, lighting and normalisation are each affine in the pixel, so their composition is
affine too. The matrix is composed in float64 and rounded to float32 once. Images are computed from it by elementwise
float32 products and sums in a fixed order, so that every machine with IEEE arithmetic gets the same bits.
"""

import numpy as np
from numpy.typing import NDArray

from sampler.arrays import Floats
from sampler.config_schema import SamplerConfig
from sampler.recipe import Recipe

GREY = (0.114, 0.587, 0.299)
"""Weights of B, G, R in the grey value (ITU-R BT.601, as in OpenCV's BGR2GRAY)."""

ColourMatrix = Floats
Rows = list[list[float]]


def mean_grey(sums: tuple[int, int, int], count: int) -> float:
    """Return the mean grey, 0–1, of `count` pixels whose blue, green and red add up to `sums`."""
    blue, green, red = sums
    total: float = GREY[0] * blue + GREY[1] * green + GREY[2] * red
    return total / (255.0 * count)


def colour_matrix(recipe: Recipe, config: SamplerConfig, grey: float) -> ColourMatrix:
    """Return the (3, 4) float32 matrix from a uint8 BGR pixel (with 1 appended) to the normalised image.

    grey: mean grey of the crop before any colour step, 0–1; contrast blends with it.
    """
    rows: Rows = [[1 / 255.0 if k == c else 0.0 for k in range(3)] + [0.0] for c in range(3)]
    for name, gain in recipe.jitter:
        rows = _jitter(rows, name, gain, grey)
    weights = [value * alpha for value, alpha in zip(config.eigenvalues, recipe.lighting, strict=True)]
    for c, vector in enumerate(config.eigenvectors):
        rows[c][3] += vector[0] * weights[0] + vector[1] * weights[1] + vector[2] * weights[2]
    for c in range(3):
        rows[c][3] -= config.mean[c]
        rows[c] = [value / config.std[c] for value in rows[c]]
    return np.array(rows, np.float64).astype(np.float32)


def _jitter(rows: Rows, name: str, gain: float, grey: float) -> Rows:
    scaled = [[value * gain for value in row] for row in rows]
    for row in scaled:
        if name == "contrast":
            row[3] += (1 - gain) * grey
        elif name == "saturation":
            for k in range(3):
                row[k] += (1 - gain) * GREY[k] / 255.0
    return scaled


def apply_colour(pixels: NDArray[np.uint8], matrix: ColourMatrix, out: Floats | None = None) -> Floats:
    """Return the normalised image; see `sampler.kernels.interface.Kernels.apply_colour`."""
    height, width = pixels.shape[:2]
    image = np.empty((3, height, width), np.float32) if out is None else out
    planes = pixels.transpose(2, 0, 1).astype(np.float32)
    term = np.empty((height, width), np.float32)
    for channel, row in zip(image, matrix, strict=True):
        np.multiply(planes[0], row[0], out=channel)
        for k in (1, 2):
            np.multiply(planes[k], row[k], out=term)
            np.add(channel, term, out=channel)
        np.add(channel, row[3], out=channel)
    return image
