"""A config is written as a CornerNet-Lite file that has the same meaning, or the fields that a file cannot give."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampler.config.cornernet_lite import load_config
from sampler.config.digest import config_digest
from sampler.config.export import as_cornernet_lite
from sampler.config.presets import PRESETS
from sampler.config.scale_range import range_of
from sampler.config_schema import AttentionMap, SamplerConfig
from sampler.errors import ConfigError, UnknownFamilyError
from sampler.families.registry import register_family
from tests.support import toy_family

SACCADE, CORNERNET = PRESETS["cornernet_saccade"], PRESETS["cornernet"]

UNKNOWN_TO_FILES: dict[str, Any] = {
    "jitter": 0.2, "lighting_std": 0.5, "mean": (0.1, 0.2, 0.3), "std": (0.1, 0.2, 0.3),
    "eigenvalues": (0.1, 0.2, 0.3), "eigenvectors": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
}  # fmt: skip
"""Fields that CornerNet-Lite has constants for, with other values."""

CONSTANT = {
    SACCADE: {"rand_color": False, "lighting": False, "gaussian_bump": False, "border": 3},
    CORNERNET: {"rand_center": False, "min_scale": 3},
}
"""Fields that the published sampler of a family does not read, with other values than the preset's."""

SCALES = st.one_of(
    st.lists(st.floats(1e-3, 4) | st.integers(1, 4), min_size=1, max_size=5),
    st.builds(
        lambda low, step, count: [low + step * number for number in range(count)],
        st.sampled_from([0.25, 0.5, 0.6, 0.9]), st.sampled_from([0.1, 0.25, 0.3]), st.integers(1, 9),
    ),
).map(tuple)  # fmt: skip

COMMON: dict[str, st.SearchStrategy[Any]] = {
    "rand_scales": SCALES,
    "gaussian_iou": st.floats(0.01, 0.99),
    "gaussian_radius": st.integers(-1, 40),
    "max_objects": st.integers(1, 300),
    "keep_crowd": st.booleans(),
    "categories": st.none() | st.integers(1, 100),
    "output_size": st.tuples(st.integers(1, 128), st.integers(1, 128)),
}

MAPS = st.lists(
    st.builds(
        lambda side, low, length: AttentionMap((side, side + 1), 511 // side + 1, (low, low + length)),
        st.integers(1, 64), st.integers(0, 99) | st.floats(0, 99), st.integers(0, 99),
    ),
    max_size=4,
).map(tuple)  # fmt: skip

CONFIGS = st.one_of(
    st.builds(
        dataclasses.replace, st.just(SACCADE), rand_crop=st.booleans(), rand_center=st.booleans(),
        min_scale=st.integers(0, 99), input_size=st.sampled_from([(128, 128), (255, 255)]), attention=MAPS, **COMMON,
    ),
    st.builds(
        dataclasses.replace, st.just(CORNERNET), rand_color=st.booleans(), lighting=st.booleans(),
        gaussian_bump=st.booleans(), border=st.integers(1, 400), **COMMON,
    ),
)  # fmt: skip
"""Configs whose every field a file can give."""


def loaded(config: SamplerConfig, folder: Path) -> SamplerConfig:
    """Return the config of the exported file. A warning, such as one of an ignored key, fails the test."""
    file = folder / "exported.json"
    file.write_text(as_cornernet_lite(config).text)
    return dataclasses.replace(load_config(str(file)), name=config.name)


@settings(max_examples=200, deadline=None)
@given(CONFIGS)
def test_an_exported_file_has_the_config_and_the_digest_that_it_was_made_from(
    tmp_path_factory: pytest.TempPathFactory, config: SamplerConfig
) -> None:
    assert as_cornernet_lite(config).lost == ()
    read = loaded(config, tmp_path_factory.getbasetemp())
    assert read == config
    assert config_digest(read) == config_digest(config)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_the_presets_are_exported_with_their_scales_as_a_range(preset: SamplerConfig, tmp_path: Path) -> None:
    exported = as_cornernet_lite(preset)
    assert exported.lost == ()
    assert exported.document["db"]["rand_scales"] is None
    assert loaded(preset, tmp_path) == preset


@pytest.mark.parametrize("preset", [SACCADE, CORNERNET], ids=["saccade", "cornernet"])
def test_values_that_no_file_can_give_are_named(preset: SamplerConfig, tmp_path: Path) -> None:
    for field, value in {**UNKNOWN_TO_FILES, **CONSTANT[preset]}.items():
        config = dataclasses.replace(preset, gaussian_radius=5, **{field: value})
        assert as_cornernet_lite(config).lost == (field,)
        assert loaded(config, tmp_path) == dataclasses.replace(preset, gaussian_radius=5)


def test_keys_of_this_project_are_left_out_unless_they_change_something() -> None:
    own = {"max_objects", "keep_crowd"}
    assert own.isdisjoint(as_cornernet_lite(SACCADE).document["db"])
    changed = dataclasses.replace(SACCADE, max_objects=64, keep_crowd=False)
    assert own <= as_cornernet_lite(changed).document["db"].keys()


def test_a_family_by_import_path_is_exported_under_its_path(tmp_path: Path) -> None:
    register_family(toy_family.PATH)
    config = dataclasses.replace(toy_family.FAMILY.presets[0], gaussian_radius=3, rand_scales=(0.5, 2), max_objects=7)
    exported = as_cornernet_lite(config)
    assert exported.document["system"] == {"sampling_function": toy_family.PATH}
    assert exported.lost == ()
    assert loaded(config, tmp_path) == config


def test_a_family_that_this_process_has_not_imported_is_refused() -> None:
    with pytest.raises(UnknownFamilyError, match="nowhere:FAMILY"):
        as_cornernet_lite(dataclasses.replace(SACCADE, kind="nowhere:FAMILY"))
    with pytest.raises(ConfigError, match="expected one of saccade, cornernet"):
        as_cornernet_lite(dataclasses.replace(SACCADE, kind="nothing"))


def test_the_file_has_one_key_a_line() -> None:
    text = as_cornernet_lite(SACCADE).text
    assert '        "input_size": [255, 255],\n' in text
    assert json.loads(text) == as_cornernet_lite(SACCADE).document


@pytest.mark.parametrize(("scales", "expected"), [
    ((0.5, 0.75, 1.0), (0.5, 1.25, 0.25)),
    ((2.0, 1.5), (2.0, 1.0, -0.5)),
    ((0.5, 0.6, 0.8), None),
    ((1.0,), None),
    ((1, 2, 3), None),
    ((1.0, 1.0), None),
])  # fmt: skip
def test_evenly_spaced_scales_are_a_range(
    scales: tuple[float, ...], expected: tuple[float, float, float] | None
) -> None:
    assert range_of(scales) == expected
