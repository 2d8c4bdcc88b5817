"""Statistics of a survey."""

import json
from dataclasses import replace

import numpy as np
import pytest

from sampler.config.presets import PRESETS
from sampler.dataset.dataset import Dataset
from sampler.ops.boxes import whole_pixel_sides
from sampler.stream.keys import SampleKey
from sampler.survey.sampling import survey_samples
from sampler.survey.statistics import survey_statistics

SACCADE = PRESETS["cornernet_saccade"]


def keys_of(dataset: Dataset) -> list[SampleKey]:
    return [SampleKey(7, 0, index) for index in range(len(dataset))]


@pytest.mark.parametrize("config", PRESETS.values(), ids=PRESETS)
@pytest.mark.parametrize("augment", [True, False])
def test_statistics_count_what_the_survey_says(dataset: Dataset, config: object, augment: bool) -> None:
    assert isinstance(config, type(SACCADE))
    config = replace(config, max_objects=3)
    survey = survey_samples(dataset, config, keys_of(dataset), augment)
    found = survey_statistics(survey, config, dataset.category_names, augment)
    outcomes = found.outcomes
    assert outcomes.samples == len(dataset)
    assert outcomes.boxes == dataset.box_count == outcomes.objects + outcomes.ignored + outcomes.outside
    assert sum(count for _, count in outcomes.ignored_because) == outcomes.ignored
    assert outcomes.samples_empty == np.count_nonzero(survey.counts(survey.objects) == 0)
    assert outcomes.untagged == np.maximum(survey.counts(survey.objects) - 3, 0).sum() > 0
    assert 0 < outcomes.crowd == np.count_nonzero(survey.crowd & ~survey.outside) <= dataset.crowd_count
    for comparison in (found.sizes, *found.quantities[:-1]):
        assert sum(comparison.before.counts) == outcomes.boxes
        assert sum(comparison.after.counts) == outcomes.objects
        assert comparison.before.labels == comparison.after.labels
    per_image = found.quantities[-1]
    assert sum(per_image.before.counts) == sum(per_image.after.counts) == len(dataset)
    assert [one.boxes for one in found.categories] == sorted((one.boxes for one in found.categories), reverse=True)
    assert sum(one.boxes for one in found.categories) == outcomes.boxes
    assert sum(one.objects for one in found.categories) == outcomes.objects
    assert bool(found.decisions) == augment


def test_the_size_classes_are_those_of_coco(dataset: Dataset) -> None:
    survey = survey_samples(dataset, SACCADE, keys_of(dataset))
    boxes = dataset.all_boxes.astype(np.float64)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    sizes = survey_statistics(survey, SACCADE, dataset.category_names).sizes
    assert sizes.before.labels == ("small", "medium", "large")
    assert sizes.before.counts == (sum(areas < 1024), sum((areas >= 1024) & (areas < 9216)), sum(areas >= 9216))
    assert sizes.median_before == pytest.approx(np.median(areas))


def test_ignored_boxes_are_too_small_or_mostly_outside(dataset: Dataset) -> None:
    survey = survey_samples(dataset, SACCADE, keys_of(dataset))
    reasons = dict(survey_statistics(survey, SACCADE, dataset.category_names).outcomes.ignored_because)
    small = whole_pixel_sides(survey.cropped[survey.ignored]) < SACCADE.min_scale
    assert reasons == {"too small": np.count_nonzero(small), "mostly outside the crop": np.count_nonzero(~small)}
    assert min(reasons.values()) > 0


def test_a_histogram_has_every_value_in_the_bin_that_its_label_names(dataset: Dataset) -> None:
    survey = survey_samples(dataset, SACCADE, keys_of(dataset))
    *_, aspect, per_image = survey_statistics(survey, SACCADE, dataset.category_names).quantities
    places = {label: place for place, label in enumerate(per_image.before.labels)}
    boxes = np.diff(dataset.box_starts)
    assert per_image.before.counts[places["3"]] == np.count_nonzero(boxes == 3)
    assert per_image.after.counts[places["0"]] == np.count_nonzero(survey.counts(survey.objects) == 0)
    corners = survey.originals.astype(np.float64)
    widths, heights = (corners[:, 2:] - corners[:, :2]).T
    square = aspect.before.labels.index("1 – 1.41")
    ratios = widths / heights
    assert aspect.before.counts[square] == np.count_nonzero((ratios >= 1) & (ratios < np.sqrt(2)))


def test_statistics_of_one_sample_without_boxes_are_empty(dataset: Dataset) -> None:
    [bare, *_] = np.flatnonzero(np.diff(dataset.box_starts) == 0).tolist()
    survey = survey_samples(dataset, SACCADE, [SampleKey(0, 0, bare)])
    found = survey_statistics(survey, SACCADE, dataset.category_names)
    assert (found.outcomes.boxes, found.outcomes.samples_empty, found.categories) == (0, 1, ())
    document = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert document["sizes"]["median_before"] is None
    assert {one["fit"]["fits"] for one in document["decisions"]} <= {True, False}
