"""A short run with faults; `make chaos` is the long one."""

from pathlib import Path

from tests.chaos.dataset import ServedFiles
from tests.chaos.machine import Chaos
from tests.chaos.report import Report
from tests.chaos.run import run_chaos

SEED = 29
"""Its faults include the deaths of loader and trainer, a restart of the server, a full disk and a flipped bit."""

RULES = 8


def test_a_trainer_gets_each_step_once_in_order_and_right_whatever_dies_stops_or_breaks(tmp_path: Path) -> None:
    files = ServedFiles(tmp_path)
    files.write()
    report = Report(print)
    run_chaos(Chaos, files, report, SEED, worlds=2, rules=RULES)
    print(report.table())
    assert report.problems == []
    assert report.faults >= 4
    assert report.steps >= 200
