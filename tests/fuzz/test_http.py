"""Odd requests to every endpoint: a short run of `python -m tests.fuzz.http`."""

from pathlib import Path

from tests.fuzz.http import run, small_server

SECONDS = 10.0
"""For any response: the tests share their CPUs, so that this says less than `make fuzz`."""


def test_the_server_keeps_its_contract_under_odd_requests(tmp_path: Path) -> None:
    with small_server(tmp_path) as server:
        result = run(server, examples=1, seed=1, seconds=SECONDS, phases="coverage")
        assert result.passed, f"{result.growth_mb:+.0f} MB\n{result.report}"
        assert "Traceback" not in server.log
        assert server.log.count("saccade_sampler.requests:") > 1000
