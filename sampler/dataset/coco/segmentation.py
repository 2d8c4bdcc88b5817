"""Boxes of annotations that carry an outline and no box.

pycocotools makes the boxes, but it trusts what it is given: a coordinate that is not a number takes all memory, a
cut run-length text is read past its end. So outlines are checked here first.
"""

import math
import re
from typing import Any

_RUN_LENGTHS = re.compile(r"(?:[P-o]{0,6}[0-O])+")
"""COCO's compressed counts: five bits a character, six bits' range from "0", the highest bit says "more"."""


def outline_box(outline: object, height: int, width: int) -> list[float]:
    """The box x, y, width, height (pixels) around an outline in an image of `height` × `width`.

    outline: polygons (lists of x, y, x, y, …) or a run-length encoding, compressed or not, as COCO stores them.
    Raises ValueError, saying why, when it is none of these.
    """
    # Imported here because few datasets have such annotations, and the rest need not pay for the import.
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
    """Refuse what pycocotools would rasterise without end. A polygon may leave the image by the image's size."""
    reach = 2 * max(height, width)
    for polygon in polygons:
        if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
            raise ValueError("a polygon is a list of at least three x, y pairs")
        if not all(_is_number(value) and abs(value) <= reach for value in polygon):
            raise ValueError("a polygon's coordinates are finite numbers in or near the image")


def _runs(mask: Any, outline: dict[str, object], height: int, width: int) -> object:
    """The compressed run-length encoding of an outline that is run-length encoded."""
    counts = outline.get("counts")
    if outline.get("size") != [height, width]:
        raise ValueError(f"its size is {outline.get('size')}, the image's is {[height, width]}")
    if isinstance(counts, list):
        if not all(type(run) is int and run >= 0 for run in counts) or sum(counts) != height * width:
            raise ValueError(f"its counts are not whole numbers that add up to {height * width}")
        return mask.frPyObjects(outline, height, width)
    text = counts.decode("latin-1") if isinstance(counts, bytes) else counts
    if not isinstance(text, str) or not _RUN_LENGTHS.fullmatch(text):
        raise ValueError("its counts are neither a list of numbers nor COCO's compressed text")
    return {"size": [height, width], "counts": text}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
