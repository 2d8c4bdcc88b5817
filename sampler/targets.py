"""What the loss needs, drawn from the boxes in a crop."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sampler.boxes import Boxes, longest_sides
from sampler.config import SamplerConfig
from sampler.gaussian import bump_radius, clear_bump, draw_bump


def draw_targets(
    boxes: Boxes, objects: NDArray[np.bool_], config: SamplerConfig, out: Mapping[str, NDArray[Any]]
) -> None:
    """Draw the targets of one sample into `out`, which holds one sample's dense arrays at their backgrounds.

    boxes: (N, 5) float32 in crop pixels. objects: (N,) bool. Names, dtypes and shapes of `out` are those of
    `sampler.arrays.dense_table` without the image. Objects past `max_objects` draw their bumps but get no row.
    """
    ratio_y, ratio_x = (o / i for o, i in zip(config.output_size, config.input_size, strict=True))
    corners = boxes[:, :4] * np.array([ratio_x, ratio_y, ratio_x, ratio_y], np.float32)
    cells = corners.astype(np.int64)
    offsets = corners - cells.astype(np.float32)
    radii = _radii(boxes, ratio_y, ratio_x, config)
    for row, (cell, radius, is_object) in enumerate(zip(cells.tolist(), radii, objects.tolist(), strict=True)):
        category = int(boxes[row, 4]) - 1
        for corner, x, y in (("tl", cell[0], cell[1]), ("br", cell[2], cell[3])):
            if is_object:
                draw_bump(out[f"{corner}_heats"][category], y, x, radius)
            else:
                clear_bump(out[f"{corner}_valids"][category], y, x, radius)
    _draw_tags(cells[objects], offsets[objects], config, out)
    _draw_attention(boxes, config, out)


def untagged(objects: NDArray[Any], config: SamplerConfig) -> int:
    """Return how many objects of a sample get no row in tags and offsets, for want of room."""
    return max(0, int(np.count_nonzero(objects)) - config.max_objects)


def _radii(boxes: Boxes, ratio_y: float, ratio_x: float, config: SamplerConfig) -> list[int]:
    if not config.gaussian_bump:
        return [0] * len(boxes)
    if config.gaussian_radius != -1:
        return [config.gaussian_radius] * len(boxes)
    widths = (boxes[:, 2] - boxes[:, 0]) * np.float32(ratio_x)
    heights = (boxes[:, 3] - boxes[:, 1]) * np.float32(ratio_y)
    sides = zip(heights.tolist(), widths.tolist(), strict=True)
    return [bump_radius(math.ceil(height), math.ceil(width), config.gaussian_iou) for height, width in sides]


def _draw_tags(
    cells: NDArray[np.int64],
    offsets: NDArray[np.float32],
    config: SamplerConfig,
    out: Mapping[str, NDArray[Any]],
) -> None:
    count = min(len(cells), config.max_objects)
    width = config.output_size[1]
    for corner, first in (("tl", 0), ("br", 2)):
        out[f"{corner}_regrs"][:count] = offsets[:count, first : first + 2]
        out[f"{corner}_tags"][:count] = cells[:count, first + 1] * width + cells[:count, first]
    out["tag_masks"][:count] = 1


def _draw_attention(boxes: Boxes, config: SamplerConfig, out: Mapping[str, NDArray[Any]]) -> None:
    longest = longest_sides(boxes)
    middle_x = (boxes[:, 0] + boxes[:, 2]) / np.float32(2)
    middle_y = (boxes[:, 1] + boxes[:, 3]) / np.float32(2)
    for number, attention in enumerate(config.attention):
        low, high = attention.longest
        chosen = (longest >= low) & (longest <= high)
        rows = (middle_y[chosen] / np.float32(attention.ratio)).astype(np.int64)
        columns = (middle_x[chosen] / np.float32(attention.ratio)).astype(np.int64)
        out[f"attentions_{number}"][0, rows, columns] = 1
