"""Surveys: the recipes and boxes of many samples as arrays."""

import json
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sampler.config.presets import PRESETS
from sampler.config_schema import SamplerConfig
from sampler.dataset.dataset import Dataset, open_dataset
from sampler.errors import InvalidRequestError
from sampler.families.registry import register_family
from sampler.ops.targets import untagged as count_untagged
from sampler.sample.recipes import ORDERS
from sampler.sample.sample import plan_sample, recipe_of
from sampler.stream.keys import SampleKey
from sampler.stream.substitutes import Substitutes
from sampler.survey.sample_filter import SIZES, SampleFilter
from sampler.survey.sampling import survey_samples
from sampler.survey.survey import Survey
from service.explorer.inspection import InspectedBox, inspect_boxes
from tests.support.toy_family import FAMILY, PATH

CONFIGS = (*PRESETS.values(), FAMILY.presets[0])


@pytest.fixture(scope="module", autouse=True)
def _toy_family() -> None:
    register_family(PATH)


def keys_of(dataset: Dataset, seed: int = 7) -> list[SampleKey]:
    return [SampleKey(seed, 2, index) for index in range(len(dataset))]


def boxes_of(survey: Survey, sample: int) -> list[tuple[object, ...]]:
    """Return the boxes of a sample in the form of `facts_of`."""
    rows = np.flatnonzero(survey.samples == sample)
    return [
        (
            int(survey.categories[row]),
            tuple(survey.originals[row].tolist()),
            None if survey.outside[row] else tuple(survey.cropped[row].tolist()),
            "outside" if survey.outside[row] else "object" if survey.objects[row] else "ignored",
            bool(survey.crowd[row]),
            bool(survey.reference[row]),
        )
        for row in rows.tolist()
    ]


def facts_of(box: InspectedBox) -> tuple[object, ...]:
    return (box.category, box.original, box.cropped, box.state, box.is_crowd, box.is_reference)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
@pytest.mark.parametrize("augment", [True, False])
def test_a_survey_says_of_every_box_what_the_inspection_of_its_sample_says(
    dataset: Dataset, config: SamplerConfig, augment: bool
) -> None:
    small = replace(config, max_objects=4)  # so that some objects are untagged
    keys = keys_of(dataset)
    survey = survey_samples(dataset, small, keys, augment)
    untagged = survey.counts(survey.untagged).tolist()
    assert survey.keys == keys
    for number, key in enumerate(keys):
        planned = plan_sample(dataset, small, key, augment)
        inspected = inspect_boxes(dataset, small, planned)
        assert boxes_of(survey, number) == list(map(facts_of, inspected))
        states = [box.state for box in inspected]
        assert states.count("outside") == len(planned.boxes) - len(planned.plan.boxes)
        assert states.count("object") == np.count_nonzero(planned.plan.objects)
        assert untagged[number] == count_untagged(planned.plan.objects, small)
        assert survey.images[number] == planned.image
    assert any(untagged)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_a_survey_has_the_recipes_of_its_samples(dataset: Dataset, config: SamplerConfig) -> None:
    keys = keys_of(dataset)[:40]
    survey = survey_samples(dataset, config, keys)
    for number, key in enumerate(keys):
        recipe = recipe_of(dataset, config, key)
        assert survey.scales[number] == recipe.scale
        assert tuple(survey.centers[number].tolist()) == recipe.center
        assert survey.flips[number] == recipe.flip
        assert tuple(survey.lighting[number].tolist()) == recipe.lighting
        steps = ("brightness", "contrast", "saturation")
        gains = zip(steps, survey.gains[number].tolist(), strict=True)
        assert dict(recipe.jitter) == dict(gains)
        assert [step for step, _ in recipe.jitter] == [steps[place] for place in ORDERS[survey.orders[number]]]


def test_without_augmentation_there_is_no_jitter(dataset: Dataset) -> None:
    survey = survey_samples(dataset, PRESETS["cornernet"], keys_of(dataset)[:3], augment=False)
    assert survey.orders.tolist() == [-1, -1, -1]
    assert np.isnan(survey.gains).all()
    assert not survey.lighting.any()


def test_surveys_are_joined_and_sent_without_change(dataset: Dataset) -> None:
    keys, config = keys_of(dataset, seed=2**64 - 1), PRESETS["cornernet_saccade"]
    whole = survey_samples(dataset, config, keys)
    parts = [survey_samples(dataset, config, keys[start : start + 100]) for start in range(0, len(keys), 100)]
    sent = Survey.joined(Survey.from_bytes(part.to_bytes()) for part in parts)
    for field in fields(Survey):
        one, other = getattr(whole, field.name), getattr(sent, field.name)
        np.testing.assert_array_equal(one, other, strict=True)


def test_dropped_crowd_boxes_are_in_no_survey(dataset: Dataset) -> None:
    keys, config = keys_of(dataset), PRESETS["cornernet"]
    kept = survey_samples(dataset, config, keys)
    dropped = survey_samples(dataset, replace(config, keep_crowd=False), keys)
    assert kept.crowd.sum() == len(kept.crowd) - len(dropped.crowd) > 0
    assert not dropped.crowd.any()


def test_an_unusable_image_is_surveyed_as_its_substitute(dataset: Dataset) -> None:
    substituted = dataset.with_decoded()
    substituted.substitutes = Substitutes((3,), len(dataset))
    survey = survey_samples(substituted, PRESETS["cornernet"], [SampleKey(0, 0, 3)])
    assert survey.keys == [SampleKey(0, 0, 3)]
    assert survey.images.tolist() != [3]


def test_an_unknown_index_is_refused(dataset: Dataset) -> None:
    with pytest.raises(InvalidRequestError, match=f"index = {len(dataset)}"):
        survey_samples(dataset, PRESETS["cornernet"], [SampleKey(0, 0, len(dataset))])


def one_image(folder: Path, *boxes: Sequence[float]) -> Dataset:
    """Return a dataset of an image of 600 × 400 pixels with these boxes (x, y, width, height), and one without."""
    document = {
        "images": [{"id": n, "file_name": f"{n}.jpg", "height": 400, "width": 600} for n in (1, 2)],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": 1 + n % 2, "bbox": list(box)} for n, box in enumerate(boxes)
        ],
    }
    (folder / "boxes.json").write_text(json.dumps(document))
    return open_dataset(folder / "boxes.json", folder, folder / "cache")


def test_a_box_is_cut_off_if_the_crop_misses_part_of_it_that_the_image_has(tmp_path: Path) -> None:
    # The fixed crop of 511 pixels is the middle of the image: columns 45 to 555.
    boxes = [20, 100, 100, 50], [200, 100, 100, 50], [200, 350, 100, 90], [570, 100, 20, 20]
    dataset = one_image(tmp_path, *boxes)
    survey = survey_samples(dataset, PRESETS["cornernet"], [SampleKey(0, 0, 0)], augment=False)
    facts = {
        tuple(original[:2]): (cut_off, outside)
        for original, cut_off, outside in zip(
            survey.originals.tolist(), survey.cut_off.tolist(), survey.outside.tolist(), strict=True
        )
    }
    assert facts == {
        (20, 100): (True, False),
        (200, 100): (False, False),
        (200, 350): (False, False),  # leaves the image, not the crop
        (570, 100): (False, True),
    }


def test_a_filter_chooses_samples_with_one_box_that_has_all_properties(tmp_path: Path) -> None:
    dataset = one_image(tmp_path, [200, 100, 100, 100], [300, 200, 20, 20])  # a large cat, a small dog
    survey = survey_samples(dataset, PRESETS["cornernet"], [SampleKey(0, 0, n) for n in (0, 1)], augment=False)

    def chosen(**properties: Any) -> list[bool]:
        return list(SampleFilter(**properties).matches(survey))

    assert chosen() == [True, True]
    assert chosen(category=1) == chosen(category=2) == [True, False]
    assert chosen(category=1, size="large") == chosen(category=2, size="small") == [True, False]
    assert chosen(category=1, size="small") == [False, False]
    assert chosen(empty=True) == [False, True]
    assert chosen(empty=True, category=1) == [False, False]
    assert chosen(crowd=True) == chosen(min_side=20, side_below=20) == [False, False]
    assert chosen(state="ignored") == chosen(untagged=True) == chosen(cut_off=True) == [False, False]


def test_filters_by_state_choose_the_samples_that_have_such_boxes(dataset: Dataset) -> None:
    config = replace(PRESETS["cornernet_saccade"], max_objects=2)
    survey = survey_samples(dataset, config, keys_of(dataset))
    filters = (
        (SampleFilter(state="object"), survey.objects),
        (SampleFilter(state="ignored"), survey.ignored),
        (SampleFilter(state="outside"), survey.outside),
        (SampleFilter(untagged=True), survey.untagged),
        (SampleFilter(cut_off=True), survey.cut_off),
    )
    for each, boxes in filters:
        expected = survey.counts(boxes) > 0
        assert 0 < expected.sum() < len(expected)
        np.testing.assert_array_equal(each.matches(survey), expected)
    longer = np.maximum(*(survey.cropped[:, end] - survey.cropped[:, end - 2] for end in (2, 3)))
    for each, boxes in ((SampleFilter(min_side=100), longer >= 100), (SampleFilter(side_below=20), longer < 20)):
        np.testing.assert_array_equal(each.matches(survey), survey.counts(boxes) > 0)
    by_size = [SampleFilter(size=size).matches(survey) for size in SIZES]
    np.testing.assert_array_equal(np.any(by_size, axis=0), survey.counts(~survey.outside) > 0)
