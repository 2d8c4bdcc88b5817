"""Checks of single values: what they accept, what they return, and what their errors say."""

import math
from typing import Any

import numpy as np
import pytest

from sampler.checks import LARGEST, require_bool, require_integer, require_number
from sampler.errors import ConfigError, InvalidRequestError


@pytest.mark.parametrize("value", [1, 5, np.int64(3), np.uint8(5)])
def test_an_integer_in_range_is_returned_as_a_plain_int(value: Any) -> None:
    found = require_integer("step", value, 1, 5)
    assert type(found) is int
    assert found == value


@pytest.mark.parametrize("value", [0, 6, True, 2.0, "2", None, np.float64(2), 10**400])
def test_anything_else_is_refused_by_name_value_and_range(value: object) -> None:
    with pytest.raises(InvalidRequestError, match=r"step = .*: expected an integer from 1 to 5") as caught:
        require_integer("step", value, 1, 5)
    assert (caught.value.field, caught.value.value) == ("step", value)


@pytest.mark.parametrize("value", [1, 0.5, np.float64(0.25)])
def test_a_finite_number_is_returned_as_a_float(value: Any) -> None:
    found = require_number("gain", value, 0.25, 1)
    assert type(found) is float
    assert found == value


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32(1), False, "1", 10**400, [1.0]])
def test_a_value_that_is_no_finite_number_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match=r"gain = .*: expected a finite number$"):
        require_number("gain", value, error=ConfigError)
    assert require_number("gain", LARGEST) == LARGEST


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(-math.inf, math.inf, "an integer"), (0, math.inf, "an integer of at least 0"),
     (-math.inf, 9, "an integer of at most 9"), (0, 9, "an integer from 0 to 9")],
)  # fmt: skip
def test_the_message_names_the_limits_there_are(low: float, high: float, expected: str) -> None:
    with pytest.raises(ConfigError, match=f"expected {expected}$"):
        require_integer("border", "x", low, high, ConfigError)


def test_a_bool_is_true_or_false_and_nothing_else() -> None:
    assert require_bool("augment", True) is True
    with pytest.raises(InvalidRequestError, match="augment = 1: expected true or false"):
        require_bool("augment", 1)
