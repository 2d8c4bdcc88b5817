"""The lines of the comparison of Ray Serve with uvicorn."""

import pytest

from benchmarks.clients import Report

comparison = pytest.importorskip("benchmarks.ray_serve.__main__", reason="ray is not installed", exc_type=ImportError)


def test_each_server_is_compared_with_uvicorn_by_the_median_of_its_turns() -> None:
    load = comparison.Load(batch_size=51, steps=10, connections=8)
    reports = {
        "uvicorn": [Report([0.01] * 10, seconds, 0.0) for seconds in (0.1, 0.1, 9.0)],
        "Ray Serve": [Report([0.02] * 10, seconds, 0.0) for seconds in (0.2, 0.2, 0.1)],
    }
    uvicorn, ray = comparison.rows(load, reports)
    assert uvicorn == ("10.0 MB", "8", "uvicorn", "100", "1,000", "10.00", "10.00", "1.00")
    assert ray == ("10.0 MB", "8", "Ray Serve", "50.00", "500", "20.00", "20.00", "0.50")
