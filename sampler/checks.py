"""Checks of single values, with error messages of one form: "FIELD = VALUE: expected …"."""

import math
import sys

import numpy as np

from sampler.errors import InvalidRequestError, SamplerError

INTEGERS = (int, np.integer)

LARGEST = sys.float_info.max
"""The largest finite float."""


def require_integer(
    field: str,
    value: object,
    low: float = -math.inf,
    high: float = math.inf,
    error: type[SamplerError] = InvalidRequestError,
) -> int:
    """Return `value` as a plain int if it is an integer from `low` to `high`, both included.

    NumPy integers are accepted and converted: they overflow, and JSON and msgpack do not encode them.

    Args:
        field: the name of the value in the message.
        value: the value to check. A bool is no integer.
        low: the smallest value allowed.
        high: the largest value allowed.
        error: the class of the error raised otherwise.
    """
    if type(value) is int and low <= value <= high:
        return value
    if isinstance(value, bool) or not isinstance(value, INTEGERS) or not low <= value <= high:
        raise error.of_field(field, value, "an integer" + _range(low, high))
    return int(value)


def require_number(
    field: str,
    value: object,
    low: float = -LARGEST,
    high: float = LARGEST,
    error: type[SamplerError] = InvalidRequestError,
) -> float:
    """Return `value` as a float if it is a finite number from `low` to `high`, both included.

    The arguments are those of `require_integer`.
    """
    if type(value) is float and low <= value <= high:  # NaN compares false
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise error.of_field(field, value, "a finite number" + _range(low, high))
    return float(value)


def require_bool(field: str, value: object, error: type[SamplerError] = InvalidRequestError) -> bool:
    """Return `value` if it is True or False; raise `error` otherwise."""
    if not isinstance(value, bool):
        raise error.of_field(field, value, "true or false")
    return value


def _range(low: float, high: float) -> str:
    at_least, at_most = low > -LARGEST, high < LARGEST
    if at_least and at_most:
        return f" from {low} to {high}"
    return f" of at least {low}" if at_least else f" of at most {high}" if at_most else ""
