"""Trainer processes: they measure batches of a real server, and say why they fail."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.material import Material
from benchmarks.peers.job import BATCH, OwnJob, PeerJob, Window
from benchmarks.peers.processes import TrainerError, reason, run
from benchmarks.peers.results import ONE, RANKS
from benchmarks.peers.rounds import AHEAD, WARM_UP, first_epoch
from benchmarks.peers.trainer import check, receive
from benchmarks.sampling import CONFIG
from sampler.array_table import allocate
from sampler.arrays import Arrays
from tests.support.live_server import LiveServer

SHORT = Window(warm_up=1, seconds=0, samples=2 * BATCH)


@pytest.mark.processes
def test_two_trainers_measure_their_batches_of_one_server(server: LiveServer, tmp_path: Path) -> None:
    jobs = [OwnJob(server.url, server.process.pid, SHORT, seed=5, rank=rank, world_size=2) for rank in range(2)]
    for (measured,) in run([*jobs], tmp_path):
        assert measured.samples == 2 * BATCH
        assert measured.seconds > 0
        assert measured.own_cpu > 0
        assert measured.server_cpu >= 0


@pytest.mark.processes
def test_a_trainer_whose_loader_is_missing_says_so(scenes: tuple[Path, Path], tmp_path: Path) -> None:
    job = PeerJob("absent", Material("scenes", *scenes, tmp_path), ("plain",), SHORT)
    with pytest.raises(TrainerError, match=r"ModuleNotFoundError: No module named 'benchmarks\.peers\.load_absent'"):
        run([job], tmp_path)


def test_the_reason_of_a_failure_is_the_last_exception_in_the_log() -> None:
    log = "INFO start\nTraceback\n  File x\nOSError: first\n\nValueError: second\n  at the end\n"
    assert reason(log) == "ValueError: second"
    assert reason("Killed\n") == "Killed"
    assert reason("") == ""


def test_a_window_lasts_for_its_seconds_and_its_samples() -> None:
    batch = allocate(CONFIG, 1, BATCH)
    given = 0

    def batches() -> Iterator[Arrays]:
        nonlocal given
        while True:
            given += 1
            yield batch

    assert receive(batches(), SHORT).samples == 2 * BATCH
    assert given == 3
    assert receive(batches(), replace(SHORT, seconds=0.05)).seconds >= 0.05


def test_batches_of_other_shapes_are_refused() -> None:
    batch = allocate(CONFIG, 1, BATCH)
    check(batch)
    with pytest.raises(ValueError, match="expected"):
        check(batch | {"images": batch["images"].astype(np.float64)})
    with pytest.raises(ValueError, match="expected"):
        check({name: array[1:] for name, array in batch.items()})


@pytest.mark.parametrize(("trainers", "ranks"), [(ONE, 1), (RANKS, 2)])
def test_the_first_epoch_is_measured_before_its_end(trainers: str, ranks: int) -> None:
    window = first_epoch(40 * BATCH, trainers)
    assert window.samples == (40 // ranks - WARM_UP - AHEAD) * BATCH
