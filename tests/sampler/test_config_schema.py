"""Presets have the published values, and configs refuse invalid fields by name, value and range."""

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from sampler.config.presets import PRESETS, preset
from sampler.config_schema import AttentionMap, SamplerConfig
from sampler.errors import ConfigError
from sampler.families.registry import family_of

SACCADE = PRESETS["cornernet_saccade"]
CORNERNET = PRESETS["cornernet"]


def test_the_presets_have_the_published_constants() -> None:
    assert list(PRESETS) == ["cornernet_saccade", "cornernet", "cornernet_squeeze"]
    assert SACCADE.rand_scales == tuple(np.arange(0.5, 1.1, 0.1).tolist())
    assert len(SACCADE.rand_scales) == 7
    assert CORNERNET.rand_scales == PRESETS["cornernet_squeeze"].rand_scales == tuple(np.arange(0.6, 1.4, 0.1).tolist())
    assert [(c.input_size, c.output_size) for c in PRESETS.values()] == [
        ((255, 255), (64, 64)),
        ((511, 511), (128, 128)),
        ((511, 511), (64, 64)),
    ]
    assert [c.gaussian_iou for c in PRESETS.values()] == [0.5, 0.3, 0.3]
    assert [c.rand_crop for c in PRESETS.values()] == [False, True, True]
    assert SACCADE.rand_center
    for config in PRESETS.values():
        assert (config.max_objects, config.min_scale, config.border, config.gaussian_radius) == (128, 16, 128, -1)
        assert (config.jitter, config.lighting_std) == (0.4, 0.1)
        assert config.mean == (0.40789654, 0.44719302, 0.47026115)
        assert config.std == (0.28863828, 0.27408164, 0.27809835)
        assert config.eigenvalues == (0.2141788, 0.01817699, 0.00341571)
        assert np.array(config.eigenvectors).shape == (3, 3)
        assert config.input_side == config.input_size[0]
    maps = [(a.size, a.ratio, a.longest) for a in SACCADE.attention]
    assert maps == [((16, 16), 16, (96, 256)), ((32, 32), 8, (32, 96)), ((64, 64), 4, (0, 32))]
    assert not CORNERNET.attention


def test_a_preset_is_found_by_name_and_others_are_listed() -> None:
    assert preset("cornernet") is CORNERNET
    with pytest.raises(ConfigError, match="config = 'corner': expected one of cornernet_saccade, cornernet, "):
        preset("corner")


def test_configs_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        SACCADE.border = 3  # type: ignore[misc] # on purpose


HUGE = 10**400

BAD_FIELDS: list[tuple[str, Any, str]] = [
    ("kind", "", "kind = '': expected the name of a detector family"),
    ("kind", 3, "kind = 3: expected the name of a detector family"),
    ("input_size", (255, 254), r"input_size = \(255, 254\): expected a square"),
    ("input_size", (0, 0), "input_size = 0: expected an integer from 1 to 4096"),
    ("input_size", (5000, 5000), "input_size = 5000: expected"),
    ("input_size", 255, "input_size = 255: expected two integers"),
    ("input_size", (255.0, 255.0), r"input_size = 255\.0"),
    ("output_size", (256, 64), "output_size = .* expected at most input_size"),
    ("output_size", (64, True), "output_size = True"),
    ("rand_scales", (), r"rand_scales = \(\): expected 1 to 1024 numbers"),
    ("rand_scales", 0.5, r"rand_scales = 0\.5"),
    ("rand_scales", (0.5, 0.0), r"rand_scales = 0\.0: expected a finite number from 0\.001 to 64"),
    ("rand_scales", (float("nan"),), "rand_scales = nan"),
    ("rand_scales", ("1",), "rand_scales = '1'"),
    ("rand_scales", (1.0,) * 1025, "expected 1 to 1024 numbers"),
    ("gaussian_iou", 0, r"gaussian_iou = 0: expected a number above 0 and below 1"),
    ("gaussian_iou", 1.0, r"gaussian_iou = 1\.0"),
    ("gaussian_iou", HUGE, "gaussian_iou = "),
    ("gaussian_iou", float("inf"), "gaussian_iou = inf"),
    ("gaussian_radius", -2, "gaussian_radius = -2: expected an integer from -1"),
    ("max_objects", 0, "max_objects = 0"),
    ("max_objects", 1 << 17, "max_objects = 131072: expected an integer from 1 to 65536"),
    ("min_scale", -1, "min_scale = -1"),
    ("border", 0, "border = 0: expected an integer from 1"),
    ("categories", 0, "categories = 0: expected an integer from 1 to 16384"),
    ("categories", 16385, "categories = 16385: expected"),
    ("categories", 80.0, r"categories = 80\.0: expected an integer"),
    ("categories", True, "categories = True"),
    ("jitter", 1.5, r"jitter = 1\.5"),
    ("lighting_std", -0.1, r"lighting_std = -0\.1"),
    ("rand_crop", 1, "rand_crop = 1: expected true or false"),
    ("rand_center", "yes", "rand_center = 'yes'"),
    ("rand_color", None, "rand_color = None"),
    ("lighting", 0, "lighting = 0"),
    ("gaussian_bump", [], r"gaussian_bump = \[\]"),
    ("keep_crowd", 2, "keep_crowd = 2"),
    ("mean", (0.1, 0.2), "mean = .*: expected three numbers, for B, G and R"),
    ("std", (0.1, 0.0, 0.2), r"std = 0\.0"),
    ("eigenvalues", (float("nan"), 0, 0), "eigenvalues = nan"),
    ("eigenvectors", ((1, 0, 0), (0, 1, 0)), "eigenvectors = .*: expected three rows"),
    ("eigenvectors", ((1, 0, 0), (0, 1, 0), (0, 0)), r"eigenvectors\[2\] = "),
    ("attention", (AttentionMap((0, 16), 16, (0, 1)),), r"attention\[0\]\.size = 0"),
    ("attention", (AttentionMap((16, 16), 0, (0, 1)),), r"attention\[0\]\.ratio = 0"),
    (
        "attention",
        (AttentionMap((16, 16), 16, (9, 1)),),
        r"attention\[0\]\.longest = 1: expected a finite number from 9",
    ),
    ("attention", (AttentionMap((16, 8), 16, (0, 1)),), "covers 128 pixels: expected at least input_size = 255"),
]


@pytest.mark.parametrize(("field", "value", "cause"), BAD_FIELDS)
def test_a_bad_field_is_refused_by_name_value_and_range(field: str, value: object, cause: str) -> None:
    with pytest.raises(ConfigError, match=cause):
        dataclasses.replace(SACCADE, **{field: value})  # type: ignore[arg-type] # on purpose


def assert_its_family_refuses(config: SamplerConfig, cause: str) -> None:
    with pytest.raises(ConfigError, match=cause):
        family_of(config)


def test_an_unknown_family_is_refused() -> None:
    assert_its_family_refuses(
        dataclasses.replace(SACCADE, kind="corner"), "kind = 'corner': expected one of saccade, cornernet"
    )


def test_cornernet_is_always_a_crop_and_has_no_attention() -> None:
    assert_its_family_refuses(dataclasses.replace(CORNERNET, rand_crop=False), "rand_crop = False: expected true")
    assert_its_family_refuses(
        dataclasses.replace(CORNERNET, attention=(AttentionMap((32, 32), 16, (0, 9)),)), "attention: expected none"
    )


def test_a_canvas_beyond_memory_is_refused() -> None:
    assert_its_family_refuses(
        dataclasses.replace(CORNERNET, rand_scales=(1.0, 64.0)),
        r"rand_scales = 64\.0: expected at most 32\.0626, a canvas of 16384 pixels",
    )
    family_of(dataclasses.replace(SACCADE, rand_scales=(1.0, 64.0)))


def test_numpy_integers_become_plain_ones() -> None:
    side: Any = np.int32(255)
    ratios: Any = np.array([16, 8, 4])
    attention = tuple(dataclasses.replace(one, ratio=ratios[row]) for row, one in enumerate(SACCADE.attention))
    config = dataclasses.replace(SACCADE, input_size=(side, side), attention=attention)
    assert json.dumps(config.as_dict()) == json.dumps(SACCADE.as_dict())


def test_a_config_is_plain_data_as_a_dict() -> None:
    fields = dataclasses.replace(SACCADE, categories=80).as_dict()
    assert set(fields) == {field.name for field in dataclasses.fields(SamplerConfig)}
    assert fields["attention"][0] == {"size": (16, 16), "ratio": 16, "longest": (96, 256)}


def test_without_a_number_of_categories_a_config_is_the_dict_it_was_before_the_field_existed() -> None:
    assert "categories" not in SACCADE.as_dict()


def test_a_config_has_as_many_planes_as_the_dataset_has_categories_or_more() -> None:
    assert SACCADE.planes(3) == 3
    assert dataclasses.replace(SACCADE, categories=80).planes(3) == 80


def test_a_config_fits_datasets_with_at_most_its_number_of_categories() -> None:
    eighty = dataclasses.replace(SACCADE, categories=80)
    assert SACCADE.fit(1203) == SACCADE
    assert eighty.fit(3) == eighty
    assert eighty.fit(80) == SACCADE, "the samples, and so the digest, are those of a config without the number"
    with pytest.raises(ConfigError, match="categories = 80: expected at least 81, the number of categories in the ann"):
        eighty.fit(81)
