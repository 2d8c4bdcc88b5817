"""`examples/ray_train.py` trains with the workers that there is room for, and goes on when one is lost."""

import re
from pathlib import Path

import pytest

from tests.ray.scenario import run_scenario
from tests.support.live_server import LiveServer

pytest.importorskip("ray")
pytest.importorskip("torch")

LINE = re.compile(r"step (\d+): loss ([\d.]+), workers: 1")
RESUMED = re.compile(r"resumed at step (\d+), workers: 1")


def test_training_runs_with_the_workers_that_fit_and_goes_on_from_a_checkpoint_when_one_is_killed(
    server: LiveServer, tmp_path: Path
) -> None:
    found = run_scenario("tests.ray.train_worker", server.url, tmp_path)
    assert found["status"] == 0
    *lines, last = found["lines"]
    assert re.fullmatch(r"trained to step 400, loss [\d.]+", last)
    rows = [match.groups() for match in map(LINE.fullmatch, lines) if match]
    steps = [int(step) for step, _ in rows]
    [resumed] = [int(match[1]) for match in map(RESUMED.fullmatch, lines) if match]
    assert 40 <= resumed < 400
    # The same samples and the same state: steps that were trained again, from a checkpoint, had the same line.
    assert steps == list(range(40, 401, 40))
    assert float(rows[-1][1]) < float(rows[0][1])
