"""What follows from the measurements: turns, medians, the fastest peer, rows."""

import json

import pytest

from benchmarks.peers.job import Measured
from benchmarks.peers.results import (
    LATER,
    OWN,
    ROUTE_TEXTS,
    STORE,
    Contender,
    Result,
    Turn,
    fastest,
    rows_of,
    turn_of,
)


def _result(loader: str, source: str, *rates: float) -> Result:
    return Result(Contender(loader, source), tuple(Turn(rate, 2.0) for rate in rates))


RESULTS = [
    _result("Grain", ROUTE_TEXTS["sampler"], 300, 100, 310),
    _result("SPDL", ROUTE_TEXTS["sampler"], 200, 200, 200),
    _result("Grain", ROUTE_TEXTS["plain"], 50, 40, 50),
    _result("SPDL", ROUTE_TEXTS["plain"], 60, 50, 80),
    _result(OWN, LATER, 600, 500, 800),
    _result(OWN, STORE, 900, 500, 800),
]


def test_a_turn_adds_the_trainers_and_counts_the_server_once() -> None:
    alone = turn_of([Measured(samples=400, seconds=4, own_cpu=2, server_cpu=4)])
    assert (alone.rate, alone.cpu) == pytest.approx((100, 15))
    both = turn_of([Measured(samples=400, seconds=4, own_cpu=2, server_cpu=8)] * 2)
    assert (both.rate, both.cpu) == pytest.approx((200, 15))


def test_a_result_survives_a_json_round_trip() -> None:
    for result in RESULTS:
        assert Result.of(json.loads(json.dumps(result.as_dict()))) == result


def test_the_fastest_peer_has_the_highest_median() -> None:
    best = fastest(RESULTS, ROUTE_TEXTS["sampler"])
    assert best is not None
    assert best.contender.loader == "Grain"
    assert best.rate == 300
    assert fastest(RESULTS, LATER) is None


def test_rows_compare_with_the_fastest_peer_round_by_round() -> None:
    rows = rows_of(RESULTS)
    functions, plain, store = rows
    assert functions.limit_name.endswith("Grain")
    assert functions.spread == (2.0, 5.0)
    assert functions.ratio == pytest.approx(800 / 310)
    assert plain.limit_name.endswith("SPDL")
    assert plain.ratio == pytest.approx(10)
    assert store.ratio == pytest.approx(10)
    assert [row.met for row in rows] == [True, True, False]


def test_there_are_no_rows_without_peers() -> None:
    assert rows_of(RESULTS[4:]) == []
