"""Drawn recipes follow the published laws, and statistics would show if they did not."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from sampler.config.presets import PRESETS
from sampler.config_schema import SamplerConfig
from sampler.dataset.dataset import Dataset
from sampler.families.registry import register_family
from sampler.stream.keys import SampleKey
from sampler.survey.decisions import Decision, compare_decisions
from sampler.survey.sampling import survey_samples
from sampler.survey.survey import Survey
from tests.support.toy_family import FAMILY, PATH

SACCADE, CORNERNET = PRESETS["cornernet_saccade"], PRESETS["cornernet"]
COLOURS = {"brightness", "contrast", "saturation", "lighting 1", "lighting 2", "lighting 3"}
EVERYTHING = {"scale", "centre, y", "centre, x", "flip", "order of the jitter"} | COLOURS


def surveyed(dataset: Dataset, config: SamplerConfig, epochs: int = 8) -> Survey:
    keys = [SampleKey(5, epoch, index) for epoch in range(epochs) for index in range(len(dataset))]
    return survey_samples(dataset, config, keys)


def by_name(survey: Survey, config: SamplerConfig) -> dict[str, Decision]:
    return {one.name: one for one in compare_decisions(survey, config)}


@pytest.mark.parametrize("config", [
    SACCADE, replace(SACCADE, rand_crop=True), replace(SACCADE, rand_center=False), CORNERNET,
    replace(CORNERNET, border=300, rand_scales=(0.5, 1.0, 1.0)),
], ids=["saccade", "random crops", "no centred crops", "cornernet", "wide border"])  # fmt: skip
def test_every_decision_fits_its_law(dataset: Dataset, config: SamplerConfig) -> None:
    found = by_name(surveyed(dataset, config), config)
    assert set(found) == EVERYTHING
    for decision in found.values():
        assert decision.fit.fits, decision
        assert sum(decision.expected) == pytest.approx(sum(decision.drawn.counts))
        assert sum(decision.drawn.counts) == decision.fit.draws


def test_the_decisions_of_another_config_do_not_fit(dataset: Dataset) -> None:
    drawn = surveyed(dataset, SACCADE)
    other = replace(SACCADE, rand_center=False, jitter=0.5, lighting_std=0.2, rand_crop=True)
    wrong = {name for name, one in by_name(drawn, other).items() if not one.fit.fits}
    assert wrong == {"scale", "centre, y", "centre, x"} | COLOURS


def bent(values: np.ndarray) -> np.ndarray:
    return np.where(values > np.median(values), values, values + 1)


CHANGES: list[tuple[str, Callable[[Survey], dict[str, np.ndarray]]]] = [
    ("scale", lambda survey: {"scales": np.where(survey.scales > 0.9, 0.6, survey.scales)}),
    ("centre, y", lambda survey: {"centers": np.maximum(survey.centers, [220, 0]).astype(np.int32)}),
    ("flip", lambda survey: {"flips": survey.flips | (np.arange(len(survey)) % 5 == 0)}),
    ("order of the jitter", lambda survey: {"orders": np.maximum(survey.orders, 1)}),
    ("contrast", lambda survey: {"gains": survey.gains ** np.array([1, 1.3, 1])}),
    ("lighting 3", lambda survey: {"lighting": survey.lighting + np.array([0, 0, 0.02])}),
]


@pytest.mark.parametrize(("name", "change"), CHANGES, ids=[name for name, _ in CHANGES])
def test_a_decision_that_follows_another_law_is_found(
    dataset: Dataset, name: str, change: Callable[[Survey], dict[str, np.ndarray]]
) -> None:
    survey = surveyed(dataset, CORNERNET)
    found = by_name(replace(survey, **change(survey)), CORNERNET)
    assert {one for one, decision in found.items() if not decision.fit.fits} == {name}


def test_switched_off_decisions_are_left_out(dataset: Dataset) -> None:
    plain = replace(CORNERNET, rand_color=False)
    assert set(by_name(surveyed(dataset, plain, 1), plain)) == {"scale", "centre, y", "centre, x", "flip"}
    unlit = replace(CORNERNET, lighting=False, jitter=0.0)
    assert set(by_name(surveyed(dataset, unlit, 1), unlit)) == EVERYTHING - COLOURS


def test_a_family_without_a_theory_has_the_decisions_that_all_families_share(dataset: Dataset) -> None:
    register_family(PATH)
    config = FAMILY.presets[0]
    assert set(by_name(surveyed(dataset, config, 1), config)) == {"flip", "order of the jitter"} | COLOURS


def test_few_scales_are_counted_one_by_one(dataset: Dataset) -> None:
    scale = by_name(surveyed(dataset, CORNERNET), CORNERNET)["scale"]
    assert scale.drawn.labels == ("0.6", "0.7", "0.8", "0.9", "1", "1.1", "1.2", "1.3")
    assert scale.expected == pytest.approx([8 * len(dataset) / 8] * 8)
