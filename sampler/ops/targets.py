"""The targets of corner detectors, drawn from the boxes in a crop.

For each of two corners of a box: a bump in the heatmap of the box's category, the offset of the corner in its cell, and
the cell's number (its tag). Ignored boxes draw into valid masks instead of heatmaps. A box whose longer side lies in
the range of an attention map marks the cell of its centre there.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sampler.arrays import ArrayMap, Booleans, Floats, Integers
from sampler.config_schema import SamplerConfig
from sampler.ops.boxes import Boxes, longest_sides
from sampler.ops.gaussian import bump_radius, clear_bump, draw_bump


@dataclass(frozen=True, slots=True)
class CornerNames:
    """Names of the arrays of one corner, (B, …) each.

    Attributes:
        heats: (C, h, w) float32, bumps of objects.
        regrs: (M, 2) float32, x and y offset of each object's corner in its cell.
        tags: (M,) int64, y · w + x of each object's corner cell.
        valids: (C, h, w) float32, 0 on the bumps of ignored boxes; None if no box is ignored.
    """

    heats: str
    regrs: str
    tags: str
    valids: str | None


@dataclass(frozen=True, slots=True)
class TargetNames:
    """Names of all target arrays of a corner detector.

    Attributes:
        top_left: Arrays of the top-left corners.
        bottom_right: Arrays of the bottom-right corners.
        tag_masks: (M,) uint8, 1 for rows of offsets and tags that hold an object.
        attentions: (1, a, a) float32 each, in the order of the config's attention maps.
    """

    top_left: CornerNames
    bottom_right: CornerNames
    tag_masks: str
    attentions: tuple[str, ...]

    @property
    def corners(self) -> tuple[tuple[CornerNames, int], tuple[CornerNames, int]]:
        """Both corners, each with the column of its x in a box; y is in the next one."""
        return (self.top_left, 0), (self.bottom_right, 2)


@dataclass(frozen=True, slots=True)
class Corners:
    """Where the corners of N boxes lie on the output grid."""

    cells: Integers
    """(N, 4) x0, y0, x1, y1."""
    offsets: Floats
    """(N, 4) remainder of each coordinate in its cell, 0–1."""
    radii: Integers
    """(N,) radii of the bumps in cells."""


def draw_targets(
    boxes: Boxes, objects: Booleans, starts: Integers, config: SamplerConfig, names: TargetNames, out: ArrayMap
) -> None:
    """Draw the targets of B samples; see `sampler.kernels.interface.Kernels.draw_targets`."""
    if not len(boxes):
        return
    samples = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    corners = locate_corners(boxes, config)
    categories = boxes[:, 4].astype(np.int64) - 1
    for corner, x in names.corners:
        places = np.stack([samples, categories, corners.cells[:, x + 1], corners.cells[:, x]], axis=1)
        _each_bump(draw_bump, out[corner.heats], places[objects], corners.radii[objects])
        if corner.valids is not None:
            _each_bump(clear_bump, out[corner.valids], places[~objects], corners.radii[~objects])
    _draw_tags(corners, objects, samples, config, names, out)
    for number, name in enumerate(names.attentions):
        chosen, rows, columns = attention_cells(boxes, number, config)
        out[name][samples[chosen], 0, rows, columns] = 1


def untagged(objects: NDArray[Any], config: SamplerConfig) -> int:
    """Return how many objects of a sample get no row of offsets and tags because there are only `max_objects`."""
    return max(0, int(np.count_nonzero(objects)) - config.max_objects)


def locate_corners(boxes: Floats, config: SamplerConfig) -> Corners:
    """Return where the corners of (N, 4) or (N, 5) float32 boxes in crop pixels lie on the output grid."""
    ratios = grid_ratios(config)
    corners = boxes[:, :4] * np.tile(ratios, 2)
    cells = corners.astype(np.int64)
    radii = np.array(_radii(boxes, ratios, config), np.int64)
    return Corners(cells, corners - cells.astype(np.float32), radii)


def grid_ratios(config: SamplerConfig) -> Floats:
    """Return (2,) float32: output cells per input pixel along x and along y."""
    (height, width), (input_height, input_width) = config.output_size, config.input_size
    return np.array([width / input_width, height / input_height], np.float32)


def rows_of_objects(samples: Integers) -> Integers:
    """Return (N,) the number of each object in its sample. samples: (N,) int64, ascending, the sample of each."""
    return np.arange(len(samples)) - np.searchsorted(samples, samples)


def attention_cells(boxes: Boxes, number: int, config: SamplerConfig) -> tuple[Booleans, Integers, Integers]:
    """Return (N,) bool, which boxes mark an attention map, and the rows and columns of the cells that they mark."""
    attention = config.attention[number]
    low, high = attention.longest
    longest = longest_sides(boxes)
    chosen = (longest >= low) & (longest <= high)
    marked = boxes[chosen]
    middle_x = (marked[:, 0] + marked[:, 2]) / np.float32(2)
    middle_y = (marked[:, 1] + marked[:, 3]) / np.float32(2)
    ratio = np.float32(attention.ratio)
    return chosen, (middle_y / ratio).astype(np.int64), (middle_x / ratio).astype(np.int64)


def _radii(boxes: Floats, ratios: Floats, config: SamplerConfig) -> list[int]:
    if not config.gaussian_bump:
        return [0] * len(boxes)
    if config.gaussian_radius != -1:
        return [config.gaussian_radius] * len(boxes)
    widths = (boxes[:, 2] - boxes[:, 0]) * ratios[0]
    heights = (boxes[:, 3] - boxes[:, 1]) * ratios[1]
    sides = zip(heights.tolist(), widths.tolist(), strict=True)
    return [bump_radius(math.ceil(height), math.ceil(width), config.gaussian_iou) for height, width in sides]


def _each_bump(change: Callable[..., None], planes: Floats, places: Integers, radii: Integers) -> None:
    """Draw or clear bumps in (B, C, h, w) planes. places: (n, 4) sample, category from 0, y, x."""
    for (sample, category, y, x), radius in zip(places.tolist(), radii.tolist(), strict=True):
        change(planes[sample, category], y, x, radius)


def _draw_tags(
    corners: Corners, objects: Booleans, samples: Integers, config: SamplerConfig, names: TargetNames, out: ArrayMap
) -> None:
    owners = samples[objects]
    rows = rows_of_objects(owners)
    has_row = rows < config.max_objects
    where = owners[has_row], rows[has_row]
    cells, offsets = corners.cells[objects][has_row], corners.offsets[objects][has_row]
    for corner, x in names.corners:
        out[corner.regrs][where] = offsets[:, x : x + 2]
        out[corner.tags][where] = cells[:, x + 1] * config.output_size[1] + cells[:, x]
    out[names.tag_masks][where] = 1
