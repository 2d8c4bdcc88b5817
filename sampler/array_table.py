"""The array table: which arrays a sample has in each layout.

Memory allocation, the checks of the wire format, `/v1/spec`, the documentation and the tests all read this table.
The arrays of the targets come from the detector family.
"""

import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from sampler.arrays import LAYOUTS, Arrays, ArraySpec, Layout
from sampler.checks import require_integer
from sampler.config_schema import MAX_CATEGORIES, SamplerConfig
from sampler.errors import ConfigError, InvalidRequestError
from sampler.families.registry import family_of
from sampler.ops.gaussian import largest_radius

MAX_SAMPLE_BYTES = 1 << 30
"""Bytes of one sample's dense arrays. One of LVIS, with 1,203 categories, has 79 MB for CornerNet-Saccade."""

MAX_RADIUS = 512
"""Largest radius of a bump in cells. Bumps are computed once and kept: all of them up to this radius take 0.7 GB."""


@lru_cache(maxsize=256)
def dense_table(config: SamplerConfig, categories: int) -> tuple[ArraySpec, ...]:
    """Return the arrays that a training step takes. categories: C, the dataset's category count."""
    images = ArraySpec("images", "<f4", (3, *config.input_size), "normalised image, channels B, G, R")
    return (images, *family_of(config).target_specs(config, categories))


def _sparse_rows(spec: ArraySpec) -> Iterator[ArraySpec]:
    """Coordinates and values in place of a sparse plane array."""
    if spec.sparse is None:
        yield spec
        return
    where = f"category, y, x where {spec.name} is not {spec.background:g}, ascending"
    yield ArraySpec(f"{spec.name}_idx", "<i4", (spec.sparse, 3), where)
    yield ArraySpec(f"{spec.name}_val", "<f4", (spec.sparse,), f"{spec.name} at these places")


def compact_table(config: SamplerConfig) -> tuple[ArraySpec, ...]:
    """Return the arrays from which the receiver renders the dense ones: pixels, colour matrix and boxes."""
    return (
        ArraySpec("crop", "|u1", (*config.input_size, 3), "pixels after scale, crop and flip, B, G, R"),
        ArraySpec("colour", "<f4", (3, 4), "matrix from a pixel (B, G, R, 1) to the normalised image"),
        ArraySpec("boxes", "<f4", ("N", 5), "x0, y0, x1, y1 in crop pixels, category 1…C"),
        ArraySpec("objects", "|u1", ("N",), "1 for an object, 0 for an ignored box"),
    )


def array_table(layout: str, config: SamplerConfig, categories: int) -> tuple[ArraySpec, ...]:
    """Return the array table of a layout. Raises `InvalidRequestError` for an unknown layout."""
    if layout == "compact":
        return compact_table(config)
    if layout == "sparse":
        return tuple(row for spec in dense_table(config, categories) for row in _sparse_rows(spec))
    if layout == "dense":
        return dense_table(config, categories)
    raise InvalidRequestError("layout", layout, f"one of {', '.join(LAYOUTS)}")


def allocate(config: SamplerConfig, categories: int, batch: int | None = None) -> Arrays:
    """Return dense arrays filled with their backgrounds, of one sample or with a leading axis of `batch` samples."""
    leading = () if batch is None else (batch,)
    return {
        spec.name: np.full((*leading, *(int(side) for side in spec.shape)), spec.background, spec.dtype)
        for spec in dense_table(config, categories)
    }


def require_moderate(config: SamplerConfig, categories: int) -> None:
    """Raise `ConfigError` if samples of a config would take absurd amounts of memory.

    categories: C, the number of category planes.
    """
    require_integer("categories", categories, 1, MAX_CATEGORIES, ConfigError)
    size = largest_sample("dense", config, categories)
    if size > MAX_SAMPLE_BYTES:
        most = f"at most {MAX_SAMPLE_BYTES:,} bytes; use a smaller output_size, or fewer categories"
        raise ConfigError(f"a sample of {categories} categories has {size:,} bytes of arrays: expected {most}")
    radius = largest_radius(config)
    if radius > MAX_RADIUS:
        most = f"at most {MAX_RADIUS} cells; use a smaller gaussian_radius or output_size, or a larger gaussian_iou"
        raise ConfigError(f"a bump may have a radius of {radius} cells: expected {most}")


def largest_sample(layout: Layout, config: SamplerConfig, categories: int) -> int:
    """Return the bytes of a sample's arrays if every varying length is `max_objects`."""
    total = 0
    for spec in array_table(layout, config, categories):
        sides = [side if isinstance(side, int) else config.max_objects for side in spec.shape]
        total += math.prod(sides) * np.dtype(spec.dtype).itemsize
    return total
