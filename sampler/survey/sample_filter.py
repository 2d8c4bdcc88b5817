"""Choosing samples by what became of their boxes."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from sampler.arrays import Booleans
from sampler.ops.boxes import longest_sides
from sampler.survey.survey import Survey

Size = Literal["small", "medium", "large"]
SIZES: tuple[Size, ...] = get_args(Size)

SIZE_LIMITS = (32.0**2, 96.0**2)
"""Areas in square pixels from which a box is medium, and large: COCO's."""


def sizes_of(areas: NDArray[np.floating]) -> NDArray[np.intp]:
    """Return the size of each box as its position in `SIZES`. areas: (M,) in square pixels."""
    return np.searchsorted(SIZE_LIMITS, areas, side="right")


@dataclass(frozen=True, slots=True)
class SampleFilter:
    """Which samples to choose: those that have one box with every property asked for.

    Attributes:
        category: The box has this category, 1…C.
        size: The box has this size, by its area in the crop.
        min_side: The box has a longer side of at least as many crop pixels.
        max_side: The box has a longer side of at most as many crop pixels.
        ignored: The box is ignored.
        untagged: The box is an object without a row of tags.
        cut_off: The box is cut off by the crop.
        crowd: The box is a crowd box.
        empty: The sample has no objects. No box is needed then; with properties of a box, both must hold.
    """

    category: int | None = None
    size: Size | None = None
    min_side: float | None = None
    max_side: float | None = None
    ignored: bool = False
    untagged: bool = False
    cut_off: bool = False
    crowd: bool = False
    empty: bool = False

    @property
    def is_active(self) -> bool:
        """Whether the filter leaves out any sample at all."""
        return self != SampleFilter()

    def matches(self, survey: Survey) -> Booleans:
        """Return (N,) bool, which samples of a survey match."""
        chosen = np.ones(len(survey), np.bool_)
        if self.empty:
            chosen &= survey.counts(survey.objects) == 0
        if self != SampleFilter(empty=self.empty):
            chosen &= survey.counts(self.matching_boxes(survey)) > 0
        return chosen

    def matching_boxes(self, survey: Survey) -> Booleans:
        """Return (M,) bool, which boxes in crops have the properties of a box that are asked for."""
        boxes = ~survey.outside
        if self.category is not None:
            boxes &= survey.categories == self.category
        if self.size is not None:
            boxes &= sizes_of(survey.areas) == SIZES.index(self.size)
        if self.min_side is not None:
            boxes &= longest_sides(survey.cropped) >= self.min_side
        if self.max_side is not None:
            boxes &= longest_sides(survey.cropped) <= self.max_side
        if self.ignored:
            boxes &= survey.ignored
        if self.untagged:
            boxes &= survey.untagged
        if self.cut_off:
            boxes &= survey.cut_off
        if self.crowd:
            boxes &= survey.crowd
        return boxes
