"""Findings in boxes: outside their image, without area, tiny, repeated, dropped or ignored."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sampler.dataset.index.dataset_index import DatasetIndex
from sampler.dataset.verification.report import Tally

TOLERANCE = 1.0
"""Pixels that a box may extend beyond its image: annotation tools round outward."""


def check_boxes(dataset: DatasetIndex, tally: Tally) -> None:
    """Check every box."""
    rows = BoxRows(dataset)
    degenerate, out_of_range = _position_faults(dataset, rows.images)
    tally.add_rows("out-of-range", np.flatnonzero(out_of_range).tolist(), rows.corners)
    tally.add_rows("degenerate", np.flatnonzero(degenerate).tolist(), rows.corners)
    tally.add_rows("tiny", np.flatnonzero((dataset.annotated_boxes[:, 2:] < 1).any(axis=1)).tolist(), rows.tiny)
    repeated, earlier = _identical(dataset, rows.images)
    first = dict(zip(repeated.tolist(), earlier.tolist(), strict=True))
    tally.add_rows("identical", repeated.tolist(), lambda row: rows.identical(row, first[row]))
    _check_left_out(dataset, tally)


@dataclass(frozen=True, slots=True)
class BoxRows:
    """Describes the rows of `all_boxes`: where each is, and what is wrong with it.

    `images` is (M,) intp, the index of the image of each box.
    """

    dataset: DatasetIndex
    images: npt.NDArray[np.intp] = field(init=False)

    def __post_init__(self) -> None:
        images = np.repeat(np.arange(len(self.dataset)), np.diff(self.dataset.box_starts))
        object.__setattr__(self, "images", images)

    def where(self, row: int) -> str:
        """Name an annotation and its image."""
        name = self.dataset.file_name(int(self.images[row]))
        return f"annotation {self.dataset.annotation_ids[row]} in {name}"

    def corners(self, row: int) -> tuple[str, str]:
        """Describe a box by its corners."""
        height, width = self.dataset.size(int(self.images[row]))
        corners = sides_text(self.dataset.all_boxes[row, :4].tolist())
        return self.where(row), f"corners {corners} in an image of {width}×{height}"

    def tiny(self, row: int) -> tuple[str, str]:
        """Describe a box that is smaller than a pixel."""
        box = self.dataset.annotated_boxes[row]
        normalised = "; probably normalised coordinates (0…1)" if ((box >= 0) & (box <= 1)).all() else ""
        return self.where(row), f"box {sides_text(box.tolist())} is smaller than one pixel{normalised}"

    def identical(self, row: int, earlier: int) -> tuple[str, str]:
        """Describe a box that equals an earlier one."""
        box = sides_text(self.dataset.annotated_boxes[row].tolist())
        return self.where(row), f"box {box} and category are those of annotation {self.dataset.annotation_ids[earlier]}"


def sides_text(sides: Sequence[float | None]) -> str:
    """Return the four sides of a box as text."""
    return f"({', '.join('not finite' if side is None else f'{side:g}' for side in sides)})"


def _position_faults(
    dataset: DatasetIndex, images: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return two (M,) bool arrays: which boxes are degenerate, and which others are out of range.

    Of a degenerate box, nothing is left in x 0…W-1, y 0…H-1.
    """
    boxes = dataset.all_boxes[:, :4].astype(np.float64)
    heights, widths = dataset.sizes[images].T.astype(np.float64)
    x0, y0, x1, y1 = boxes.T
    out_of_range = np.max([-x0, -y0, x1 - widths, y1 - heights], axis=0) > TOLERANCE
    clipped_width = np.clip(x1, 0, widths - 1) - np.clip(x0, 0, widths - 1)
    clipped_height = np.clip(y1, 0, heights - 1) - np.clip(y0, 0, heights - 1)
    degenerate = (clipped_width <= 0) | (clipped_height <= 0)
    return degenerate, out_of_range & ~degenerate


def _identical(
    dataset: DatasetIndex, images: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the rows of boxes that equal an earlier one of their image and category, ascending, and the rows of it."""
    values = np.column_stack([images, dataset.all_boxes[:, 4], dataset.annotated_boxes])
    order = np.lexsort(values.T[::-1])
    equal = (values[order[1:]] == values[order[:-1]]).all(axis=1)
    repeated, earlier = order[1:][equal], order[:-1][equal]
    ascending = np.argsort(repeated)
    return repeated[ascending], earlier[ascending]


def _check_left_out(dataset: DatasetIndex, tally: Tally) -> None:
    left_out = dataset.left_out
    for box in left_out.rejected:
        reason = ": ".join(filter(None, [box.reason, box.detail]))
        where = f"annotation {box.annotation_id} of image {box.image_id}"
        tally.add("dropped", where, f"{reason}: box {sides_text(box.box)}")
    unlisted = ((f"annotation {one.annotation_id}", f"image {one.image_id} is not listed") for one in left_out.unlisted)
    tally.count("unlisted", unlisted, left_out.unlisted_count)
