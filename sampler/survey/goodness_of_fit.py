"""Tests of whether draws follow a law, in plain NumPy."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEAST_P = 1e-3
"""Draws that follow their law have a smaller p-value once in a thousand tests."""

Method = Literal["Kolmogorov–Smirnov", "χ²"]


@dataclass(frozen=True, slots=True)
class Fit:
    """The result of a test.

    Attributes:
        method: The test.
        statistic: Its statistic: the largest distance of the distribution functions, or χ².
        p_value: The probability of a statistic at least as large for draws that follow the law.
        draws: Number of draws.
    """

    method: Method
    statistic: float
    p_value: float
    draws: int

    @property
    def fits(self) -> bool:
        """Whether the draws are as the law says, as far as the test can tell."""
        return self.p_value >= LEAST_P


def compare_uniform(values: NDArray[np.float64]) -> Fit:
    """Test whether values are uniform on [0, 1], by Kolmogorov–Smirnov. values: (n,), at least one."""
    ordered, count = np.sort(values), len(values)
    steps = np.arange(count + 1) / count
    distance = float(max((steps[1:] - ordered).max(), (ordered - steps[:-1]).max()))
    return Fit("Kolmogorov–Smirnov", distance, _kolmogorov_tail(distance, count), count)


def compare_counts(observed: ArrayLike, expected: ArrayLike) -> Fit:
    """Test whether counts are as expected, by χ². Both (k,), at least two, with the same sum."""
    found, law = np.asarray(observed, np.float64), np.asarray(expected, np.float64)
    statistic = float(np.sum((found - law) ** 2 / law))
    return Fit("χ²", statistic, _chi_squared_tail(statistic, len(found) - 1), int(found.sum()))


def _kolmogorov_tail(distance: float, count: int) -> float:
    """Return the p-value: Kolmogorov's limit with Stephens' correction for small samples (1970)."""
    root = math.sqrt(count)
    x = (root + 0.12 + 0.11 / root) * distance
    if x < 0.3:
        return 1.0  # the series converges slowly here; the p-value is 1 to nine digits
    terms = (math.exp(-2 * (k * x) ** 2) for k in range(1, 101))
    return min(1.0, max(0.0, 2 * sum(term if k % 2 == 0 else -term for k, term in enumerate(terms))))


def _chi_squared_tail(statistic: float, degrees: int) -> float:
    """Return the p-value, by the finite sums for whole degrees of freedom (Abramowitz and Stegun 26.4.4, 26.4.5)."""
    half = statistic / 2
    if half == 0:
        return 1.0
    odd = degrees % 2
    tail = math.erfc(math.sqrt(half)) if odd else 0.0
    powers = (k + odd / 2 for k in range(degrees // 2))
    return min(1.0, tail + sum(math.exp(p * math.log(half) - half - math.lgamma(p + 1)) for p in powers))
