"""Boxes of annotations: which are valid, which are dropped, and which are computed from their segmentation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sampler.dataset.coco.entries import AnnotationEntry
from sampler.dataset.coco.segmentation import outline_box

NOT_FOUR_NUMBERS = "not four numbers"
NOT_FINITE = "not finite"
NO_AREA = "no width or no height"
NO_BOX = "neither box nor segmentation"
BAD_SEGMENTATION = "segmentation is not usable"

_NO_SIDES = [0.0] * 4

Fault = tuple[str, str]
"""Reason and detail."""


@dataclass(frozen=True, slots=True)
class RejectedBox:
    """A box that was dropped, for one of the reasons above. In `box`, None stands for a side that is not finite."""

    annotation_id: int
    image_id: int | str
    reason: str
    box: tuple[float | None, ...]
    detail: str = ""


@dataclass(frozen=True, slots=True)
class UnlistedBox:
    """A box of an image that is not among the images. It is ignored, as pycocotools does."""

    annotation_id: int
    image_id: int | str


def sides_of(entry: AnnotationEntry) -> Sequence[float | None] | None:
    """Return x, y, width, height of an annotation, or None if its box must be computed from the segmentation.

    This is the case if `bbox` does not have four sides, or has no area while there is a segmentation.
    """
    box = entry.bbox
    if box is None or len(box) != 4:
        return None
    return None if (box[2] == 0 or box[3] == 0) and entry.has_outline() else box


def checked_boxes(
    boxes: npt.NDArray[np.float64],
    unboxed: Mapping[int, AnnotationEntry],
    sizes: npt.NDArray[np.int32],
) -> tuple[npt.NDArray[np.bool_], dict[int, Fault]]:
    """Compute the missing boxes, and check all of them.

    Args:
        boxes: (A, 4) float64: x, y, width, height. The rows of `unboxed` are filled in.
        unboxed: The annotations whose box must be computed, by row.
        sizes: (A, 2) int32: height and width of the image of each box.

    Returns:
        (A,) bool, which boxes are valid, and reason and detail of the others, by row in ascending order.
    """
    faults: dict[int, Fault] = {}
    for row, entry in unboxed.items():
        boxes[row], fault = _box_of_outline(entry, sizes[row])
        if fault is not None:
            faults[row] = fault
    with np.errstate(over="ignore", invalid="ignore"):
        corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1).astype(np.float32)
        finite = np.all(np.isfinite(boxes) & np.isfinite(corners), axis=1)
        area = np.all((boxes[:, 2:] > 0) & (corners[:, 2:] > corners[:, :2]), axis=1)
    for row in np.flatnonzero(~(finite & area)).tolist():
        faults.setdefault(row, (NO_AREA if finite[row] else NOT_FINITE, ""))
    valid = np.ones(len(boxes), np.bool_)
    valid[list(faults)] = False
    return valid, dict(sorted(faults.items()))


def finite_sides(box: Sequence[float | None]) -> tuple[float | None, ...]:
    """Return the sides of a box with None for those that are not finite."""
    return tuple(side if side is not None and np.isfinite(side) else None for side in box)


def _box_of_outline(entry: AnnotationEntry, size: npt.NDArray[np.int32]) -> tuple[Sequence[float], Fault | None]:
    """Return the box of an annotation from its segmentation, and reason and detail if it cannot have one."""
    box = entry.bbox or []
    flat = len(box) == 4  # it has a box, whose area is zero
    if box and not flat:
        return _NO_SIDES, (NOT_FOUR_NUMBERS, f"it has {len(box)}")
    try:
        outline = entry.outline()
        if not outline:
            return _NO_SIDES, (NO_AREA if flat else NO_BOX, "")
        return outline_box(outline, int(size[0]), int(size[1])), None
    except ValueError as error:
        reason, detail = (NO_AREA, f"{BAD_SEGMENTATION}: {error}") if flat else (BAD_SEGMENTATION, str(error))
        return _NO_SIDES, (reason, detail)
