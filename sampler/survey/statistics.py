"""Statistics of a survey: boxes in the images and objects in the crops, what became of boxes, draws against theory."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sampler.arrays import Booleans
from sampler.config_schema import SamplerConfig
from sampler.survey.box_sides import box_areas, box_sides
from sampler.survey.decisions import Decision, compare_decisions
from sampler.survey.histograms import Histogram, octaves
from sampler.survey.ignore_reasons import ignore_reasons
from sampler.survey.sample_filter import SIZES, sizes_of
from sampler.survey.survey import Survey

Numbers = NDArray[np.integer] | NDArray[np.floating]

FEW_OBJECTS = 12
"""Up to this many objects of a sample are counted one by one, more of them in wider bins."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a quantity is distributed before and after augmentation. Both histograms have the same bins.

    Attributes:
        name: The quantity.
        unit: Its unit; "" for a number.
        before: Of all boxes of the samples' images, or of these images.
        after: Of the objects in the crops, or of the samples.
        median_before: NaN if there is no value; so is `median_after`.
        median_after: See `median_before`.
    """

    name: str
    unit: str
    before: Histogram
    after: Histogram
    median_before: float
    median_after: float


@dataclass(frozen=True, slots=True)
class CategoryCount:
    """How often a category occurs: number 1…C, boxes of the images, and what became of them."""

    number: int
    name: str
    boxes: int
    objects: int
    ignored: int


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of the boxes of N samples.

    Attributes:
        samples: N.
        boxes: Boxes of their images: each is an object, ignored, or outside the crop.
        objects: Boxes that are objects.
        ignored: Boxes in the crop that are no objects.
        ignored_because: (reason, boxes) of the ignored ones; empty if the detector family ignores none.
        outside: Boxes that are lost because they lie outside the crop.
        cut_off: Boxes in the crop of which a part lies beyond its edges.
        untagged: Objects without a row of tags.
        crowd: Crowd boxes in the crop.
        samples_empty: Samples without objects.
        samples_ignored: Samples with ignored boxes; so `samples_outside`, `samples_cut_off`, `samples_untagged` and
            `samples_crowd`.
    """

    samples: int
    boxes: int
    objects: int
    ignored: int
    ignored_because: tuple[tuple[str, int], ...]
    outside: int
    cut_off: int
    untagged: int
    crowd: int
    samples_empty: int
    samples_ignored: int
    samples_outside: int
    samples_cut_off: int
    samples_untagged: int
    samples_crowd: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """The statistics of a survey.

    Attributes:
        outcomes: What became of the boxes.
        sizes: COCO's small, medium and large, by area.
        quantities: Distributions before and after augmentation: area, sides, aspect ratio, objects of a sample.
        categories: All categories that occur, the most frequent first.
        decisions: The random decisions; none without augmentation.
    """

    outcomes: Outcomes
    sizes: Comparison
    quantities: tuple[Comparison, ...]
    categories: tuple[CategoryCount, ...]
    decisions: tuple[Decision, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the statistics for JSON: fields by name, NaN as null, and whether each decision fits its law."""
        document: dict[str, Any] = _without_nan(asdict(self))
        for decision, entry in zip(self.decisions, document["decisions"], strict=True):
            entry["fit"]["fits"] = decision.fit.fits
        return document


def survey_statistics(
    survey: Survey, config: SamplerConfig, category_names: Sequence[str], augment: bool = True
) -> Statistics:
    """Return the statistics of a survey of at least one sample. augment: whether its recipes are random."""
    before, after = survey.originals, survey.cropped[survey.objects]
    return Statistics(
        outcomes=_outcomes(survey, config),
        sizes=_size_classes(box_areas(before), box_areas(after)),
        quantities=(
            _logarithmic("box area", "square pixels", box_areas(before), box_areas(after), parts=1),
            _logarithmic("longer side", "pixels", box_sides(before).max(axis=1), box_sides(after).max(axis=1)),
            _logarithmic("shorter side", "pixels", box_sides(before).min(axis=1), box_sides(after).min(axis=1)),
            _aspect_ratios(box_sides(before), box_sides(after)),
            _object_counts(survey),
        ),
        categories=_categories(survey, category_names),
        decisions=compare_decisions(survey, config) if augment else (),
    )


def _outcomes(survey: Survey, config: SamplerConfig) -> Outcomes:
    def samples_with(boxes: Booleans) -> int:
        return int(np.count_nonzero(survey.counts(boxes)))

    ignored, crowd = survey.ignored, survey.crowd & ~survey.outside
    return Outcomes(
        samples=len(survey),
        boxes=len(survey.categories),
        objects=int(survey.objects.sum()),
        ignored=int(ignored.sum()),
        ignored_because=_reasons(survey, ignored, config),
        outside=int(survey.outside.sum()),
        cut_off=int(survey.cut_off.sum()),
        untagged=int(survey.untagged.sum()),
        crowd=int(crowd.sum()),
        samples_empty=len(survey) - samples_with(survey.objects),
        samples_ignored=samples_with(ignored),
        samples_outside=samples_with(survey.outside),
        samples_cut_off=samples_with(survey.cut_off),
        samples_untagged=samples_with(survey.untagged),
        samples_crowd=samples_with(crowd),
    )


def _reasons(survey: Survey, ignored: Booleans, config: SamplerConfig) -> tuple[tuple[str, int], ...]:
    reasons, found = ignore_reasons(survey.cropped[ignored], survey.categories[ignored], config)
    *known, other = zip(reasons, np.bincount(found, minlength=len(reasons)).tolist(), strict=True)
    return (*known, other) if other[1] else tuple(known)


def _size_classes(before: NDArray[np.float64], after: NDArray[np.float64]) -> Comparison:
    first, second = (
        Histogram(SIZES, tuple(np.bincount(sizes_of(areas), minlength=len(SIZES)).tolist()))
        for areas in (before, after)
    )
    return Comparison("box size by area", "square pixels", first, second, _median(before), _median(after))


def _logarithmic(
    name: str, unit: str, before: NDArray[np.float64], after: NDArray[np.float64], parts: int = 2
) -> Comparison:
    edges = octaves(np.concatenate([before, after]), parts)
    return _comparison(name, unit, before, after, edges)


def _aspect_ratios(before: NDArray[np.float64], after: NDArray[np.float64]) -> Comparison:
    # From 1 : 8 to 8 : 1; the outer bins have all others.
    edges = 2.0 ** (np.arange(-8, 9) / 2)
    first, second = (sides[:, 0] / sides[:, 1] for sides in (before, after))
    return _comparison("aspect ratio", "width / height", first, second, edges)


def _object_counts(survey: Survey) -> Comparison:
    before, after = survey.box_counts, survey.counts(survey.objects)
    most = int(max(before.max(), after.max(), 1))
    single = np.arange(0, min(most, FEW_OBJECTS) + 2, dtype=np.float64)
    more = octaves(np.array([FEW_OBJECTS + 1.0, most])) if most > FEW_OBJECTS else single
    edges = np.unique(np.concatenate([single, np.ceil(more[more > single[-1]])]))
    comparison = _comparison("boxes of an image, objects of a sample", "", before, after, edges)
    labels = tuple(_whole_range(low, high) for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
    first, second = (Histogram(labels, one.counts, one.edges) for one in (comparison.before, comparison.after))
    return Comparison(comparison.name, "", first, second, comparison.median_before, comparison.median_after)


def _whole_range(low: float, high: float) -> str:
    return f"{low:.0f}" if high - low == 1 else f"{low:.0f} – {high - 1:.0f}"


def _comparison(name: str, unit: str, before: Numbers, after: Numbers, edges: NDArray[np.float64]) -> Comparison:
    return Comparison(
        name, unit, Histogram.of(before, edges), Histogram.of(after, edges), _median(before), _median(after)
    )


def _categories(survey: Survey, names: Sequence[str]) -> tuple[CategoryCount, ...]:
    total, objects, ignored = (
        np.bincount(survey.categories[chosen], minlength=len(names) + 1)
        for chosen in (slice(None), survey.objects, survey.ignored)
    )
    order = np.argsort(-total, kind="stable")
    return tuple(
        CategoryCount(number, names[number - 1], int(total[number]), int(objects[number]), int(ignored[number]))
        for number in order[: np.count_nonzero(total)].tolist()
    )


def _median(values: Numbers) -> float:
    return float(np.median(values)) if len(values) else math.nan


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value
