"""Boxes of annotations that have a segmentation and no box.

pycocotools computes the boxes, but does not check its input: a coordinate that is not a number exhausts the memory, and
a truncated run-length text is read past its end. So segmentations are validated here first.
"""

import math
import re
from typing import Any

_RUN_LENGTHS = re.compile(r"(?:[P-o]{0,6}[0-O])+")
"""COCO's compressed counts: characters from "0" on with five bits of a number each; the sixth bit means "continued"."""


def outline_box(outline: object, height: int, width: int) -> list[float]:
    """Return the box around a segmentation of an image of height × width pixels: x, y, width, height.

    `outline` is polygons (lists of x, y, x, y, …) or a run-length encoding, compressed or not. Raises ValueError
    otherwise; its message says why.
    """
    # Imported here because few datasets have such annotations; the others should not pay for it.
    from pycocotools import mask

    if isinstance(outline, list):
        _check_polygons(outline, height, width)
        runs = mask.merge(mask.frPyObjects(outline, height, width))
    elif isinstance(outline, dict):
        runs = _runs(mask, outline, height, width)
    else:
        raise ValueError("neither polygons nor a run-length encoding")
    x, y, w, h = (float(side) for side in mask.toBbox(runs))
    if not (0 <= x <= x + w <= width and 0 <= y <= y + h <= height):
        raise ValueError("the run-length encoding does not fit the image")
    return [x, y, w, h]


def _check_polygons(polygons: list[object], height: int, width: int) -> None:
    """Refuse polygons that pycocotools would rasterise without end. They may leave the image by the image's size."""
    reach = 2 * max(height, width)
    for polygon in polygons:
        if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
            raise ValueError("a polygon must be a list of at least three x, y pairs")
        if not all(_is_number(value) and abs(value) <= reach for value in polygon):
            raise ValueError("the coordinates of a polygon must be finite numbers in or near the image")


def _runs(mask: Any, outline: dict[str, object], height: int, width: int) -> object:
    """Return the compressed form of a run-length encoding."""
    counts = outline.get("counts")
    if outline.get("size") != [height, width]:
        raise ValueError(f"its size is {outline.get('size')}, the image's is {[height, width]}")
    if isinstance(counts, list):
        if not all(type(run) is int and run >= 0 for run in counts) or sum(counts) != height * width:
            raise ValueError(f"its counts are not whole numbers that add up to {height * width}")
        return mask.frPyObjects(outline, height, width)
    if not isinstance(counts, str) or not _RUN_LENGTHS.fullmatch(counts):
        raise ValueError("its counts are neither a list of numbers nor COCO's compressed text")
    return {"size": [height, width], "counts": counts}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
