"""What the loss needs, drawn from the boxes in a crop."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sampler.config.schema import SamplerConfig
from sampler.ops.boxes import Boxes, longest_sides
from sampler.ops.gaussian import bump_radius, stamp_bumps


@dataclass(frozen=True, slots=True)
class Corners:
    """Where the corners of N boxes lie on the output grid.

    cells: (N, 4) int64 x0, y0, x1, y1. offsets: (N, 4) float32, what is left of each within its cell, 0–1.
    radii: (N,) int64, of their bumps in cells.
    """

    cells: NDArray[np.int64]
    offsets: NDArray[np.float32]
    radii: NDArray[np.int64]


def draw_targets(
    boxes: Boxes,
    objects: NDArray[np.bool_],
    config: SamplerConfig,
    out: Mapping[str, NDArray[Any]],
) -> None:
    """Draw the targets of one sample into `out`, which holds one sample's dense arrays at their backgrounds.

    boxes: (N, 5) float32 in crop pixels. objects: (N,) bool. Names, dtypes and shapes of `out` are those of
    `sampler.array_table.dense_table` without the image. Objects past `max_objects` draw their bumps but get no row.
    """
    batch = {name: array[None] for name, array in out.items()}
    draw_batch_targets(boxes, objects, np.array([0, len(boxes)]), config, batch)


def draw_batch_targets(
    boxes: Boxes,
    objects: NDArray[np.bool_],
    starts: NDArray[np.int64],
    config: SamplerConfig,
    out: Mapping[str, NDArray[Any]],
) -> None:
    """Draw the targets of B samples into `out`, which holds a batch's dense arrays at their backgrounds.

    boxes: (M, 5) float32, of all samples one behind the other. objects: (M,) bool. starts: (B+1,) int64: sample i has
    the rows starts[i] to starts[i + 1].
    """
    if not len(boxes):
        return
    samples = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    corners = locate_corners(boxes, config)
    categories = boxes[:, 4].astype(np.int64) - 1
    for corner, x in (("tl", 0), ("br", 2)):
        places = np.stack([samples, categories, corners.cells[:, x + 1], corners.cells[:, x]], axis=1)
        for chosen, name, clear in ((objects, f"{corner}_heats", False), (~objects, f"{corner}_valids", True)):
            if chosen.any():
                stamp_bumps(out[name], places[chosen], corners.radii[chosen], clear)
    _draw_tags(corners, objects, samples, config, out)
    _draw_attention(boxes, samples, config, out)


def untagged(objects: NDArray[Any], config: SamplerConfig) -> int:
    """Return how many objects of a sample get no row in tags and offsets, for want of room."""
    return max(0, int(np.count_nonzero(objects)) - config.max_objects)


def locate_corners(boxes: Boxes, config: SamplerConfig) -> Corners:
    """Return where the corners of (N, 5) float32 boxes in crop pixels lie on the output grid."""
    ratios = grid_ratios(config)
    corners = boxes[:, :4] * np.tile(ratios, 2)
    cells = corners.astype(np.int64)
    radii = np.array(_radii(boxes, ratios, config), np.int64)
    return Corners(cells, corners - cells.astype(np.float32), radii)


def grid_ratios(config: SamplerConfig) -> NDArray[np.float32]:
    """Return (2,) float32: output cells to an input pixel along x and along y."""
    (height, width), (high, wide) = config.output_size, config.input_size
    return np.array([width / wide, height / high], np.float32)


def rows_of_objects(samples: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the (N,) number of each object within its sample. samples: (N,) int64, ascending: whose each one is."""
    return np.arange(len(samples)) - np.searchsorted(samples, samples)


def attention_cells(
    boxes: Boxes, number: int, config: SamplerConfig
) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
    """Return which of (N, 5) float32 boxes mark an attention map, (N,) bool, and the rows and columns of those."""
    attention = config.attention[number]
    low, high = attention.longest
    longest = longest_sides(boxes)
    chosen = (longest >= low) & (longest <= high)
    marked = boxes[chosen]
    middle_x = (marked[:, 0] + marked[:, 2]) / np.float32(2)
    middle_y = (marked[:, 1] + marked[:, 3]) / np.float32(2)
    ratio = np.float32(attention.ratio)
    return chosen, (middle_y / ratio).astype(np.int64), (middle_x / ratio).astype(np.int64)


def _radii(boxes: Boxes, ratios: NDArray[np.float32], config: SamplerConfig) -> list[int]:
    if not config.gaussian_bump:
        return [0] * len(boxes)
    if config.gaussian_radius != -1:
        return [config.gaussian_radius] * len(boxes)
    widths = (boxes[:, 2] - boxes[:, 0]) * ratios[0]
    heights = (boxes[:, 3] - boxes[:, 1]) * ratios[1]
    sides = zip(heights.tolist(), widths.tolist(), strict=True)
    return [bump_radius(math.ceil(height), math.ceil(width), config.gaussian_iou) for height, width in sides]


def _draw_tags(
    corners: Corners,
    objects: NDArray[np.bool_],
    samples: NDArray[np.int64],
    config: SamplerConfig,
    out: Mapping[str, NDArray[Any]],
) -> None:
    owners = samples[objects]
    rows = rows_of_objects(owners)
    room = rows < config.max_objects
    where = owners[room], rows[room]
    cells, offsets = corners.cells[objects][room], corners.offsets[objects][room]
    width = config.output_size[1]
    for corner, first in (("tl", 0), ("br", 2)):
        out[f"{corner}_regrs"][where] = offsets[:, first : first + 2]
        out[f"{corner}_tags"][where] = cells[:, first + 1] * width + cells[:, first]
    out["tag_masks"][where] = 1


def _draw_attention(
    boxes: Boxes, samples: NDArray[np.int64], config: SamplerConfig, out: Mapping[str, NDArray[Any]]
) -> None:
    for number in range(len(config.attention)):
        chosen, rows, columns = attention_cells(boxes, number, config)
        out[f"attentions_{number}"][samples[chosen], 0, rows, columns] = 1
