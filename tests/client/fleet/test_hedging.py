"""When a request is late or has stalled, and how many second requests may be sent."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.fleet.hedging import (
    COLD_SECONDS,
    CREDIT,
    ENOUGH,
    LATE_FACTOR,
    LEAST_SECONDS,
    REQUESTS_PER_HEDGE,
    STALL_FACTOR,
    STALL_SECONDS,
    TYPICAL_FACTOR,
    WINDOW,
    HedgeBudget,
    Latencies,
    late_after,
    stalled_after,
    typical_latency,
)


@given(st.lists(st.floats(0.001, 100), max_size=3 * WINDOW))
def test_the_percentile_is_that_of_the_last_latencies(seconds: list[float]) -> None:
    latencies = Latencies()
    for value in seconds:
        latencies.add(value)
    last = sorted(seconds[-WINDOW:])
    expected = last[math.ceil(0.95 * len(last)) - 1] if len(last) >= ENOUGH else None
    assert latencies.percentile == expected


def test_a_server_that_becomes_faster_is_soon_known_as_fast() -> None:
    latencies = Latencies()
    for seconds in [9.0] * WINDOW + [0.1] * WINDOW:
        latencies.add(seconds)
    assert latencies.percentile == 0.1


def test_the_typical_latency_is_the_median_of_the_known_ones_if_these_are_at_least_half() -> None:
    assert typical_latency([]) is None
    assert typical_latency([None, None]) is None
    assert typical_latency([None, None, 1.0]) is None
    assert typical_latency([None, 3.0, 1.0]) == 1.0
    assert typical_latency([9.0, 1.0, None, 3.0]) == 3.0


@pytest.mark.parametrize(
    ("own", "typical", "expected"),
    [
        (None, None, COLD_SECONDS),
        (0.5, None, LATE_FACTOR * 0.5),
        (None, 0.5, TYPICAL_FACTOR * 0.5),
        (0.5, 0.5, LATE_FACTOR * 0.5),
        (8.0, 0.5, TYPICAL_FACTOR * 0.5),  # a slow server is late sooner than its own latencies say
        (0.001, 0.001, LEAST_SECONDS),
    ],
)
def test_when_a_request_is_late(own: float | None, typical: float | None, expected: float) -> None:
    assert late_after(own, typical) == expected


def test_when_a_request_has_stalled() -> None:
    assert stalled_after(None) is None
    assert stalled_after(0.01) == STALL_SECONDS
    assert stalled_after(0.5) == STALL_FACTOR * 0.5


@given(st.lists(st.sampled_from(["request", "hedge", "refund"]), max_size=2000), st.integers(0, 1000))
def test_the_budget_is_never_exceeded(calls: list[str], seed: int) -> None:
    random.Random(seed).shuffle(calls)
    budget, requests, hedges, refundable = HedgeBudget(), 0, 0, 0
    for call in calls:
        if call == "request":
            budget.earn()
            requests += 1
        elif call == "hedge" and budget.is_left:
            budget.spend()
            hedges += 1
            refundable += 1
        elif call == "refund" and refundable:
            budget.refund(1)
            hedges -= 1
            refundable -= 1
        assert hedges <= CREDIT + requests / REQUESTS_PER_HEDGE


def test_the_credit_is_earned_again_and_no_more_is_saved() -> None:
    budget = HedgeBudget()
    for _ in range(10 * CREDIT * REQUESTS_PER_HEDGE):
        budget.earn()
    for _ in range(CREDIT):
        assert budget.is_left
        budget.spend()
    assert not budget.is_left
    for _ in range(REQUESTS_PER_HEDGE):
        assert not budget.is_left
        budget.earn()
    assert budget.is_left
