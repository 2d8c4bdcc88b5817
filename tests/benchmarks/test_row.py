"""Rows: a measurement, its limit, and the bound on their ratio."""

import pytest

from benchmarks.row import Row, paired


@pytest.mark.parametrize(
    ("value", "at_most", "met"), [(1.3, True, True), (1.4, True, False), (1.4, False, True), (1.3, False, False)]
)
def test_a_row_is_met_if_its_ratio_is_within_its_bound(value: float, at_most: bool, met: bool) -> None:
    row = Row("sampler", "ms", 2 * value, "decoding", 2.0, 1.35, at_most)
    assert row.ratio == value
    assert row.met is met
    assert row.as_dict()["met"] is met


def test_a_ratio_is_the_median_of_the_ratios_of_all_runs() -> None:
    row = paired("row", "ms", [10.0, 20.0, 90.0], "limit", [5.0, 20.0, 30.0], 2.0)
    assert row.ratio == pytest.approx(2.0)
    assert row.value == 20.0
    assert row.spread == (1.0, 3.0)
