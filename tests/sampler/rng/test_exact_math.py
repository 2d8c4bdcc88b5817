"""Elementary functions give the right values, from operations that every CPU rounds alike."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from sampler.rng import distributions, exact_math


def ulps(found: float, expected: float) -> float:
    return abs(found - expected) / math.ulp(expected)


@given(st.floats(-700, 700))
def test_exp_is_right_to_a_few_units_in_the_last_place(x: float) -> None:
    assert ulps(float(exact_math.exp(np.array([x]))[0]), math.exp(x)) <= 4


def test_exp_keeps_the_shape_and_is_exactly_one_at_zero() -> None:
    assert exact_math.exp(np.zeros((3, 2, 1))).tolist() == np.ones((3, 2, 1)).tolist()


@given(st.floats(min_value=1e-300, max_value=1e300))
def test_log_is_right_to_a_few_units_in_the_last_place(x: float) -> None:
    assert ulps(exact_math.log(x), math.log(x)) <= 4 or abs(exact_math.log(x) - math.log(x)) < 1e-16


def test_log_of_one_is_exactly_zero() -> None:
    assert exact_math.log(1.0) == 0


@given(st.floats(min_value=2.0**-53, max_value=1 - 2.0**-53))
def test_the_normal_quantile_is_right_to_fourteen_digits(p: float) -> None:
    assert exact_math.normal_quantile(p) == pytest.approx(float(special.ndtri(p)), rel=1e-14, abs=1e-15)


@given(st.integers(0, (1 << 64) - 1))
def test_mirrored_words_give_mirrored_normals(word: int) -> None:
    assert distributions.normal(word, 1.0) == -distributions.normal((1 << 64) - 1 - word, 1.0)


def test_the_first_and_the_last_words_are_the_farthest_normals() -> None:
    farthest = float(special.ndtri(2.0**-53))
    assert distributions.normal(0, 1.0) == pytest.approx(farthest)
    assert distributions.normal((1 << 64) - 1, 1.0) == pytest.approx(-farthest)


def test_evenly_spread_words_give_evenly_spread_quantiles() -> None:
    spread = range(1 << 50, 1 << 64, 1 << 51)
    assert stats.kstest([distributions.normal(word, 0.1) for word in spread], stats.norm(0, 0.1).cdf).statistic < 1e-3
    assert stats.kstest([distributions.uniform(word) for word in spread], stats.uniform.cdf).statistic < 1e-3


@given(st.integers(0, (1 << 64) - 1), st.integers(-1000, 1000), st.integers(0, 5000))
def test_integers_lie_between_their_ends(word: int, low: int, span: int) -> None:
    assert low <= distributions.integer(word, low, low + span) <= low + span
    assert distributions.integer(0, low, low + span) == low
    assert distributions.integer((1 << 64) - 1, low, low + span) == low + span


def test_a_coin_flip_is_true_for_half_of_all_values() -> None:
    assert [distributions.coin_flip(word) for word in (0, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)] == [
        False,
        False,
        True,
        True,
    ]


def test_a_few_values_are_pinned_to_the_last_bit() -> None:
    """If one of these changes, samples change: `SAMPLER_VERSION` must then rise."""
    bits = [float(exact_math.exp(np.array([x]))[0]).hex() for x in (-9.0, -0.5, 1.0)]
    bits += [exact_math.log(x).hex() for x in (0.1, 10.0)]
    bits += [exact_math.normal_quantile(p).hex() for p in (1e-12, 0.01, 0.3, 0.9)]
    assert bits == PINNED_BITS


PINNED_BITS = [
    "0x1.02cf22526545ap-13",
    "0x1.368b2fc6f960ap-1",
    "0x1.5bf0a8b14576ap+1",
    "-0x1.26bb1bbb55515p+1",
    "0x1.26bb1bbb55516p+1",
    "-0x1.c234fba57a32ap+2",
    "-0x1.29c5c4630ff0ep+1",
    "-0x1.0c7e39582c5fap-1",
    "0x1.4813c36e26d33p+0",
]
