"""Evenly spaced scales, as CornerNet-Lite's files give them: `numpy.arange` of a minimum, a maximum and a step."""

from typing import NamedTuple

import numpy as np

from sampler.errors import ConfigError

MAX_SCALES = 1024


class ScaleRange(NamedTuple):
    """The range of `rand_scale_min`, `rand_scale_max` and `rand_scale_step`. The maximum is excluded."""

    low: float
    high: float
    step: float

    def scales(self) -> tuple[float, ...]:
        """Return the scales, as the published code computes them.

        Raises:
            ConfigError: The range is empty, or it has more than 1,024 scales.
        """
        low, high, step = self
        # numpy.arange counts down too, if the step is negative.
        if step == 0 or not 0 < (high - low) / step <= MAX_SCALES:
            raise ConfigError(
                f"rand_scale_min = {low}, rand_scale_max = {high}, rand_scale_step = {step}: expected min < max and "
                f"a step above 0 that gives at most {MAX_SCALES} scales"
            )
        return tuple(np.arange(low, high, step).tolist())


def range_of(scales: tuple[float, ...]) -> ScaleRange | None:
    """Return the range, of numbers of at most 12 digits, that gives exactly these scales, or None."""
    if len(scales) < 2 or any(type(scale) is not float for scale in scales):
        return None  # whole numbers differ from floats in the digest
    low, last = scales[0], scales[-1]
    step = _short((last - low) / (len(scales) - 1))
    if step == 0:
        return None
    found = ScaleRange(low, _short(last + step), step)
    return found if 0 < (found.high - low) / step <= MAX_SCALES and found.scales() == scales else None


def _short(number: float) -> float:
    return float(f"{number:.12g}")
