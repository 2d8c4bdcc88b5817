"""`saccade_sampler.ray`: rows in order, the bytes of a server, although a node is killed."""

import re
from pathlib import Path

import pytest

from tests.ray.hashes import hashes_of
from tests.ray.scenario import run_scenario
from tests.support.live_server import LiveServer

pytest.importorskip("ray")

START, STOP = 3, 99
"""300 MB of rows: as much as the memory of all nodes, of which Ray uses a part for rows that are not read yet."""


def test_rows_come_in_order_with_the_bytes_of_a_server_though_a_node_is_killed(
    scenes: tuple[Path, Path], cache_dir: Path, server: LiveServer
) -> None:
    found = run_scenario("tests.ray.data_rows", *scenes, cache_dir, START, STOP)
    assert found["steps"] == list(range(START, STOP))
    assert found["hashes"] == hashes_of(server, range(START, STOP))
    assert found["lost"] == 1
    assert re.search("UserCodeException: .*/empty: none of 24 sampled images exists here", found["failure"])
    assert found["largest"] < 4e6  # the arrays of a step are thirty times as large
