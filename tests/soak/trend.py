"""Whether a quantity grows: a line through its samples, compared with a bound."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_SURE = 2.0
"""Standard errors by which growth must exceed its bound."""

LEAST_SAMPLES = 4


@dataclass(frozen=True, slots=True)
class Trend:
    """A line through samples.

    Attributes:
        first: Value of the line at the first sample.
        last: Value of the line at the last sample.
        uncertainty: Standard error of the growth from first to last.
        highest: Highest sample.
        bound: Growth that is allowed.
    """

    first: float
    last: float
    uncertainty: float
    highest: float
    bound: float

    @property
    def growth(self) -> float:
        """How much the line grows from the first sample to the last."""
        return self.last - self.first

    @property
    def grows(self) -> bool:
        """Whether the growth exceeds its bound by more than chance explains."""
        return self.growth - _SURE * self.uncertainty > self.bound


def trend_of(seconds: Sequence[float], values: Sequence[float], bound: float) -> Trend:
    """Return the least-squares line through samples. Raises ValueError for fewer than four."""
    if len(seconds) < LEAST_SAMPLES:
        raise ValueError(f"{len(seconds)} samples: expected at least {LEAST_SAMPLES}; run longer")
    x, y = np.asarray(seconds, np.float64), np.asarray(values, np.float64)
    centred = x - x.mean()
    slope = float(centred @ y / (centred @ centred))
    middle = float(y.mean())
    residuals = y - middle - slope * centred
    spread = math.sqrt(float(residuals @ residuals) / (len(x) - 2) / float(centred @ centred))
    start, end = float(centred[0]), float(centred[-1])
    return Trend(middle + slope * start, middle + slope * end, spread * (end - start), float(y.max()), bound)
