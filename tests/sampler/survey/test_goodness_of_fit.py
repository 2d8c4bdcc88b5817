"""The tests of draws against a law give what SciPy gives."""

import numpy as np
import pytest
from scipy import stats

from sampler.survey.goodness_of_fit import compare_counts, compare_uniform


@pytest.mark.parametrize("power", [1.0, 1.05, 1.3])
@pytest.mark.parametrize("count", [30, 2000])
def test_the_statistic_of_kolmogorov_and_smirnov_is_exact_and_its_p_value_close(power: float, count: int) -> None:
    values = np.random.default_rng(3).random(count) ** power
    ours, theirs = compare_uniform(values), stats.kstest(values, "uniform")
    assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-12)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=0.1, abs=1e-9)
    assert ours.draws == count


def test_values_that_are_spread_evenly_fit_best() -> None:
    assert compare_uniform((np.arange(100) + 0.5) / 100).p_value == 1


@pytest.mark.parametrize("counts", [
    [50, 50], [40, 60], [1, 99], [20, 20, 20], [12, 30, 18], [7, 9, 14, 20, 11, 5], [100, 90, 85, 70, 110, 95, 96],
])  # fmt: skip
def test_chi_squared_is_that_of_scipy(counts: list[int]) -> None:
    expected = np.full(len(counts), sum(counts) / len(counts))
    ours, theirs = compare_counts(counts, expected), stats.chisquare(counts)
    assert ours.statistic == pytest.approx(theirs.statistic, abs=1e-12)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-9, abs=1e-12)
    assert ours.fits == (theirs.pvalue >= 1e-3)
