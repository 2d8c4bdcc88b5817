"""The `db` section of a config file: which keys count, which are ignored, which values are refused."""

import warnings
from typing import Any

import pytest

from sampler.config.cornernet_lite import IgnoredKeysWarning, config_of
from sampler.config_schema import SamplerConfig
from sampler.errors import ConfigError

SACCADE = {"input_size": [255, 255], "output_sizes": [[64, 64]]}
"""A `db` section that cornernet_saccade accepts."""


def saccade(**db: Any) -> SamplerConfig:
    return config_of({"system": {"sampling_function": "cornernet_saccade"}, "db": SACCADE | db}, "mine")


def cornernet(**db: Any) -> SamplerConfig:
    return config_of({"system": {"sampling_function": "cornernet"}, "db": {"rand_crop": True} | db}, "mine")


# --- scales ---


def test_the_range_of_scales_counts_only_if_the_scales_are_null() -> None:
    bounds = {"rand_scale_min": 0.5, "rand_scale_max": 1.5, "rand_scale_step": 0.5}
    assert cornernet(rand_scales=None, **bounds).rand_scales == (0.5, 1.0)
    for scales, expected in (({}, (1,)), ({"rand_scales": [2]}, (2,))):
        with pytest.warns(IgnoredKeysWarning, match="ignored: rand_scale_max, rand_scale_min, rand_scale_step$"):
            assert cornernet(**scales, **bounds).rand_scales == expected


def test_each_bound_of_the_range_has_a_default_of_its_own() -> None:
    assert cornernet(rand_scales=None).rand_scales == pytest.approx((0.8, 1.0, 1.2))
    assert cornernet(rand_scales=None, rand_scale_max=1.0).rand_scales == pytest.approx((0.8,))
    assert cornernet(rand_scales=None, rand_scale_min=1.1).rand_scales == pytest.approx((1.1, 1.3))
    assert cornernet(rand_scales=None, rand_scale_step=0.3).rand_scales == pytest.approx((0.8, 1.1))


def test_a_range_may_count_down() -> None:
    counted = cornernet(rand_scales=None, rand_scale_min=2, rand_scale_max=1, rand_scale_step=-0.5)
    assert counted.rand_scales == (2.0, 1.5)


# --- lists ---


def test_of_several_output_sizes_the_first_is_used_and_the_others_are_reported() -> None:
    with pytest.warns(IgnoredKeysWarning, match=r"ignored: output_sizes\[1:\]$"):
        config = cornernet(output_sizes=[[64, 32], [3, 3], "anything"])
    assert config.output_size == (64, 32)


def test_there_is_an_attention_map_for_each_size_and_further_entries_are_reported() -> None:
    with pytest.warns(IgnoredKeysWarning, match=r"ignored: att_ranges\[1:\]$"):
        config = saccade(att_sizes=[[16, 16]], att_ranges=[[10, 20], [30, 40]])
    assert [(one.size, one.ratio, one.longest) for one in config.attention] == [((16, 16), 16, (10, 20))]


# --- ignored keys ---


def test_the_keys_that_saccade_does_not_read_change_nothing_and_are_reported() -> None:
    with pytest.warns(IgnoredKeysWarning, match="are ignored: border, gaussian_bump, lighting, rand_color$"):
        config = saccade(rand_color=False, lighting=False, gaussian_bump=False, border=5)
    assert config == saccade()
    assert (config.rand_color, config.lighting, config.gaussian_bump) == (True, True, True)


def test_the_keys_that_cornernet_does_not_read_change_nothing_and_are_reported() -> None:
    unread = {"att_ratios": [1], "max_scale": 3, "min_scale": 3, "rand_center": False, "view_sizes": [3]}
    with pytest.warns(IgnoredKeysWarning, match=f"are ignored: {', '.join(sorted(unread))}$"):
        assert cornernet(**unread) == cornernet()


@pytest.mark.parametrize(
    ("db", "expected"),
    [
        ({"top_k": 12, "gaussian_bump": True}, True),
        ({"top_k": 12, "gaussian_bump": False}, False),
        ({"top_k": 12, "gausian_iou": 0.5}, False),
        ({"output_sizes": [[64, 64], [32, 32]]}, False),
    ],
    ids=["published", "another value than that of all samples", "mistyped", "a part of a list"],
)
def test_only_keys_of_published_files_that_change_no_sample_are_expected(db: dict[str, Any], expected: bool) -> None:
    with pytest.warns(IgnoredKeysWarning) as caught:
        saccade(**db)
    assert [warning.message.expected for warning in caught] == [expected]  # type: ignore[union-attr] # of this class


def test_an_ignored_key_may_have_any_value() -> None:
    with pytest.warns(IgnoredKeysWarning, match="border, top_k, view_sizes"):
        saccade(border="wide", top_k=None, view_sizes={})


def test_a_misspelt_key_is_reported_with_the_key_that_was_probably_meant() -> None:
    with pytest.warns(IgnoredKeysWarning, match="ignored: gaussian_rad; if gaussian_rad is meant to be gaussian_radi"):
        assert cornernet(gaussian_rad=3).gaussian_radius == -1
    with pytest.warns(IgnoredKeysWarning, match="if rand_colour is meant to be rand_color, rename it"):
        assert not cornernet(rand_colour=True).rand_color
    with pytest.warns(IgnoredKeysWarning, match="ignored: att_scales, rand_full_crop, weight_exp$"):
        saccade(att_scales=[[1]], rand_full_crop=True, weight_exp=8)


def test_a_file_without_ignored_keys_gives_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cornernet(border=100, rand_color=True, categories=80)
        saccade(min_scale=3, rand_center=False, att_ratios=[16, 8, 4])


# --- refused values ---

RANGE = {"rand_scales": None, "rand_scale_min": 0.5, "rand_scale_max": 1, "rand_scale_step": 0.1}

BAD_SACCADE: list[tuple[dict[str, Any], str]] = [
    (RANGE | {"rand_scale_min": 2}, "expected min < max"),
    (RANGE | {"rand_scale_step": 0}, "expected min < max and a step above 0"),
    (RANGE | {"rand_scale_step": -0.1}, "expected min < max and a step above 0"),
    (RANGE | {"rand_scale_step": 1e-300}, "at most 1024 scales"),
    (RANGE | {"rand_scale_min": float("nan")}, "rand_scale_min = nan: expected a finite number"),
    (RANGE | {"rand_scale_max": float("inf")}, "rand_scale_max = inf: expected"),
    (RANGE | {"rand_scale_min": "0"}, "rand_scale_min = '0': expected a finite number"),
    (RANGE | {"rand_scale_min": None}, "rand_scale_min = None: expected a finite number"),
    (RANGE | {"rand_scale_min": 10**400}, "rand_scale_min = 10*: expected a finite number"),
    ({"rand_scales": 3}, "rand_scales = 3"),
    ({"rand_scales": [[1]]}, r"rand_scales = \[1\]"),
    ({"rand_scales": [10**400]}, "rand_scales = "),
    ({"rand_scales": []}, r"rand_scales = \(\): expected 1 to 1024 numbers"),
    ({"input_size": 255}, r"input_size = 255: expected \[height, width\]"),
    ({"input_size": [255, "255"]}, "input_size = '255': expected an integer"),
    ({"output_sizes": [64, 64]}, r"output_sizes\[0\] = 64: expected \[height, width\]"),
    ({"output_sizes": [[64]]}, r"output_sizes\[0\] = \[64\]"),
    ({"output_sizes": []}, r"output_sizes = \[\]: expected a list of \[height, width\]; the first is used"),
    ({"output_sizes": None}, r"output_sizes = None: expected a list"),
    ({"categories": 0}, "categories = 0: expected an integer from 1 to 16384"),
    ({"categories": "80"}, "categories = '80': expected an integer"),
    ({"gaussian_iou": 1.5}, r"gaussian_iou = 1\.5: expected a number above 0 and below 1"),
    ({"gaussian_radius": -5}, "gaussian_radius = -5"),
    ({"att_sizes": 3}, "att_sizes = 3: expected a list"),
    ({"att_ratios": [16, 8]}, "att_sizes has 3, att_ratios has 2, att_ranges has 3: expected a ratio and a range for"),
    ({"att_ranges": [[1], [2], [3]]}, r"att_ranges\[0\] = \[1\]"),
    ({"att_ranges": [["a", "b"], [0, 1], [0, 1]]}, r"attention\[0\]\.longest = 'a'"),
    ({"att_sizes": [[16, 16], [32, 32], [6, 64]]}, "covers 24 pixels"),
]

BAD_CORNERNET: list[tuple[dict[str, Any], str]] = [
    ({"border": "128"}, "border = '128'"),
    ({"rand_color": 1}, "rand_color = 1: expected true or false"),
    ({"lighting": None}, "lighting = None: expected true or false"),
    ({"rand_scales": [1, 60]}, r"rand_scales = 60: expected at most 42\.\d+, a canvas of 16384 pixels"),
]


@pytest.mark.parametrize(("db", "cause"), BAD_SACCADE)
def test_a_value_that_saccade_cannot_use_is_refused_by_name(db: dict[str, Any], cause: str) -> None:
    with pytest.raises(ConfigError, match=cause):
        saccade(**db)


@pytest.mark.parametrize(("db", "cause"), BAD_CORNERNET)
def test_a_value_that_cornernet_cannot_use_is_refused_by_name(db: dict[str, Any], cause: str) -> None:
    with pytest.raises(ConfigError, match=cause):
        cornernet(**db)
