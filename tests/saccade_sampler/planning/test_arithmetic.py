"""The arithmetic of a plan: what is printed is what was computed."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade_sampler.planning.arithmetic import Quantity, largest, number, product, total
from tests.saccade_sampler.planning.reading import evaluated, parsed

NUMBERS = st.floats(1e-3, 1e12)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_the_formula_of_a_product_gives_its_result(first: float, second: float, third: float) -> None:
    line = product("p", "x", Quantity(first, "a"), ("×", Quantity(second, "b/a")), ("÷", Quantity(third, "c")))
    assert line.value == pytest.approx(first * second / third)
    assert evaluated(line.formula) == pytest.approx(line.value, rel=2e-3)


@given(st.lists(NUMBERS, min_size=1, max_size=5))
def test_the_formulas_of_a_sum_and_of_the_largest_give_their_results(values: list[float]) -> None:
    quantities = [Quantity(value, "MB") for value in values]
    together, most = total("t", "MB", *quantities), largest("m", "MB", *quantities)
    assert together.value == pytest.approx(math.fsum(values))
    assert most.value == max(values)
    assert evaluated(together.formula) == pytest.approx(together.value, rel=2e-3)
    assert evaluated(most.formula) == pytest.approx(most.value, rel=2e-3)


@pytest.mark.parametrize(("value", "up"), [(0.02, 1), (1.0, 1), (0.1 + 0.2 + 0.7, 1), (1.001, 2), (3, 3)])
def test_hosts_are_whole(value: float, up: int) -> None:
    line = largest("hosts", "hosts", Quantity(value, "hosts"), rounded_up=True)
    assert line.value == up
    assert line.formula.endswith(", rounded up")


@given(st.floats(1e-6, 1e15))
def test_a_number_keeps_four_digits_and_has_no_exponent(value: float) -> None:
    text = number(value)
    assert "e" not in text
    assert parsed(text) == pytest.approx(value, rel=6e-4, abs=6e-9)


def test_one_has_a_unit_in_the_singular() -> None:
    assert [str(Quantity(value, "hosts")) for value in (1, 2, 1.5)] == ["1 host", "2 hosts", "1.5 hosts"]
