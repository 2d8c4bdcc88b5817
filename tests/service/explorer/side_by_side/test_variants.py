"""Variants of a sample: their links, and the configs that they may have."""

import pytest

from sampler.config.presets import PRESETS
from sampler.errors import InvalidRequestError
from sampler.stream.keys import EPOCH_LIMIT, SEED_LIMIT
from sampler.wire.spec import ServiceSpec
from service.explorer.shell.links import query
from service.explorer.side_by_side.variants import Variant, changes_text, config_of_variant, named_configs, view_job
from service.lifespan.state import ServedDataset


def served(number: int, config: str, categories: int = 3) -> ServedDataset:
    names = tuple(map(str, range(categories)))
    spec = ServiceSpec("0" * 32, "0" * 32, 24, names, PRESETS[config], 64, 1 << 20, dataset_name=f"d{number}")
    return ServedDataset(number, f"d{number}", spec)


TRAIN, VAL = served(0, "cornernet_saccade"), served(1, "cornernet_squeeze")


def test_a_dataset_is_compared_with_its_own_config_and_those_of_others_and_the_built_in_ones() -> None:
    configs = named_configs(TRAIN, (TRAIN, VAL))
    assert list(configs) == ["served", "dataset:d1", *PRESETS]
    assert configs["served"] == TRAIN.spec.config
    assert configs["dataset:d1"] == PRESETS["cornernet_squeeze"]


def test_a_config_whose_samples_would_be_too_large_is_not_offered() -> None:
    many = served(0, "cornernet_saccade", 16000)
    assert "cornernet" not in named_configs(many, (many,))


def test_parameters_of_a_side_leave_out_what_is_served() -> None:
    assert Variant(7, 1, False).parameters("left_") == {"left_seed": 7, "left_epoch": 1, "left_augment": False}
    changed = Variant(config="cornernet", changes=changes_text({"border": "64"}))
    assert query(changed.parameters()) == "?seed=0&epoch=0&augment=true&config=cornernet&changes=border%3D64"


def test_the_first_seed_and_epoch_follow_the_last() -> None:
    last = Variant(SEED_LIMIT - 1, EPOCH_LIMIT - 1)
    assert (last.next_seed().seed, last.next_epoch().epoch) == (0, 0)


def test_changes_apply_to_the_named_config() -> None:
    configs = named_configs(TRAIN, (TRAIN, VAL))
    assert config_of_variant(Variant(config="cornernet", changes="border=64"), configs).border == 64
    assert config_of_variant(Variant(changes="min_scale=32&gaussian_iou=0.3"), configs).min_scale == 32


@pytest.mark.parametrize(("variant", "expected"), [
    (Variant(config="mine"), "config = 'mine': expected one of served, dataset:d1, cornernet_saccade"),
    (Variant(changes="min_scale=-4"), "changes = 'min_scale=-4': expected an integer from 0 to 255 for min_scale"),
    (Variant(changes="min_scale=x&jitter=7"), "from 0 to 255 for min_scale; a number from 0 to 1 for jitter"),
    (Variant(changes="min_scale=16&min_scale=99"), "changes = 'min_scale=16&min_scale=99': expected each name once"),
    (Variant(changes="border=1"), "changes = 'border=1': expected one of rand_scale_min"),
    (Variant(changes="gaussian_iou:0.3"), "changes = 'gaussian_iou:0.3': expected names with values, joined by &"),
    (Variant(changes="min_scale"), "expected names with values"),
    (Variant(changes="foo="), "att_to_2; 'foo' is unknown"),
    (Variant(changes="min_scale=1&" * 400), "expected at most 2000 characters"),
])  # fmt: skip
def test_an_invalid_config_is_refused(variant: Variant, expected: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        config_of_variant(variant, named_configs(TRAIN, (TRAIN, VAL)))
    assert expected in str(caught.value)


def test_the_job_of_the_served_config_is_that_of_other_pages() -> None:
    variant, config = Variant(7, 2), TRAIN.spec.config
    assert view_job("document", TRAIN, 5, variant, config).options == {}
    changed = config_of_variant(Variant(changes="min_scale=32"), named_configs(TRAIN, (TRAIN,)))
    assert view_job("document", TRAIN, 5, variant, changed).options["config"]["min_scale"] == 32
