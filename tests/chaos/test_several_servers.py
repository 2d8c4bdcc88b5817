"""A short run with three servers, of which two come to harm at a time; `make chaos SERVERS=3` is the long one."""

from pathlib import Path

from tests.chaos.dataset import ServedFiles
from tests.chaos.fleet_machine import SERVERS, harm
from tests.chaos.report import Report
from tests.chaos.trainer import TIMEOUT
from tests.chaos.world import World

PAUSE = 0.03
STEPS_BEFORE = 30

LONGEST_GAP = 0.9 * TIMEOUT
"""In seconds. Without a second server, the trainer would wait for a time-out. `make chaos` has the limits of a machine
that does nothing else."""


def test_a_trainer_gets_each_step_from_one_server_while_two_others_are_killed_stopped_or_cut(tmp_path: Path) -> None:
    files = ServedFiles(tmp_path)
    files.write()
    (tmp_path / "world").mkdir()
    report = Report(print, longest_gap=lambda _: LONGEST_GAP)
    world = World(files, tmp_path / "world", 7, report.event, hosts=SERVERS)
    report.begin(world)
    try:
        world.start(PAUSE)
        world.wait_for_steps(STEPS_BEFORE)
        for kinds, victims, seconds in [(("stop", "cut"), (0, 1), 4.5), (("kill", "drop"), (2, 0), 3.0)]:
            harm(world, kinds, victims, seconds)
        world.end()
    finally:
        world.abandon()
    print(report.table())
    assert report.problems == []
    assert report.faults == 4
    assert report.steps >= 200
