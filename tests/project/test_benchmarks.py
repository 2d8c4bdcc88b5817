"""Benchmark rows: measuring in turn, and comparing with a bound."""

import pytest

from benchmarks.row import Row, milliseconds


@pytest.mark.parametrize(
    ("value", "at_most", "met"), [(1.3, True, True), (1.4, True, False), (1.4, False, True), (1.3, False, False)]
)
def test_a_row_is_met_if_its_ratio_is_within_its_bound(value: float, at_most: bool, met: bool) -> None:
    row = Row("sampler", "ms", 2 * value, "decoding", 2.0, 1.35, at_most)
    assert row.ratio == value
    assert row.met is met
    assert row.as_dict()["met"] is met


def test_functions_are_measured_in_turn_after_a_warm_up() -> None:
    calls: list[str] = []
    times = milliseconds([lambda index: calls.append(f"a{index}"), lambda index: calls.append(f"b{index}")], 2, runs=2)
    assert calls == ["a0", "a1", "b0", "b1"] * 3
    assert all(time >= 0 for time in times)
