"""Choosing samples by what became of their boxes."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from sampler.arrays import Booleans
from sampler.survey.box_sides import box_areas, box_sides
from sampler.survey.survey import Survey

Size = Literal["small", "medium", "large"]
SIZES: tuple[Size, ...] = get_args(Size)

SIZE_LIMITS = (32.0**2, 96.0**2)
"""Areas in square pixels from which a box is medium, and large: COCO's."""

State = Literal["object", "ignored", "outside"]
STATES: tuple[State, ...] = get_args(State)
"""What becomes of a box."""


def sizes_of(areas: NDArray[np.floating]) -> NDArray[np.intp]:
    """Return the size of each box as its position in `SIZES`. areas: (M,) in square pixels."""
    return np.searchsorted(SIZE_LIMITS, areas, side="right")


@dataclass(frozen=True, slots=True)
class SampleFilter:
    """Which samples to choose: those that have one box with every property asked for.

    Attributes:
        category: The box has this category, 1…C.
        state: What became of the box: an object, ignored, or outside the crop. None: not outside the crop.
        size: The box has this size, by its area in the crop.
        min_side: The box has a longer side of at least as many crop pixels.
        side_below: The box has a longer side of less than as many crop pixels.
        untagged: The box is an object without a row of tags.
        cut_off: The box is cut off by the crop.
        crowd: The box is a crowd box.
        empty: The sample has no objects. No box is needed then; with properties of a box, both must hold.
    """

    category: int | None = None
    state: State | None = None
    size: Size | None = None
    min_side: float | None = None
    side_below: float | None = None
    untagged: bool = False
    cut_off: bool = False
    crowd: bool = False
    empty: bool = False

    @property
    def is_active(self) -> bool:
        """Whether the filter leaves out any sample at all."""
        return self != SampleFilter()

    @property
    def concerns_boxes(self) -> bool:
        """Whether a property of a box is asked for."""
        return self != SampleFilter(empty=self.empty)

    def matches(self, survey: Survey) -> Booleans:
        """Return (N,) bool, which samples of a survey match."""
        chosen = np.ones(len(survey), np.bool_)
        if self.empty:
            chosen &= survey.counts(survey.objects) == 0
        if self.concerns_boxes:
            chosen &= survey.counts(self.matching_boxes(survey)) > 0
        return chosen

    def matching_boxes(self, survey: Survey) -> Booleans:
        """Return (M,) bool, which boxes have the properties of a box that are asked for."""
        boxes = self._has_state(survey)
        if self.category is not None:
            boxes &= survey.categories == self.category
        if self.size is not None:
            boxes &= ~survey.outside & (sizes_of(box_areas(survey.cropped)) == SIZES.index(self.size))
        if self.min_side is not None:
            boxes &= box_sides(survey.cropped).max(axis=1) >= self.min_side
        if self.side_below is not None:
            boxes &= box_sides(survey.cropped).max(axis=1) < self.side_below
        if self.untagged:
            boxes &= survey.untagged
        if self.cut_off:
            boxes &= survey.cut_off
        if self.crowd:
            boxes &= survey.crowd
        return boxes

    def _has_state(self, survey: Survey) -> Booleans:
        if self.state is None:
            return ~survey.outside
        boxes: Booleans = {"object": survey.objects, "ignored": survey.ignored, "outside": survey.outside}[self.state]
        return boxes.copy()
