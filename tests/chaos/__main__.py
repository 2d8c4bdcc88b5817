"""Train with faults, and check every batch: `make chaos`, or `python -m tests.chaos --steps 1000 --faults 20`.

With `--servers 3` the trainer has three servers, of which any two come to harm at a time.
"""

import argparse
import secrets
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.dataset import ServedFiles
from tests.chaos.fleet_machine import SERVERS, FleetChaos, longest_gap
from tests.chaos.machine import Chaos
from tests.chaos.report import Report
from tests.chaos.run import Machine, run_chaos
from tests.support.processes import independent_of_the_shell, kill_at_end

WORLDS = 6
"""Most worlds of one round, of which the first has no faults."""

RULES = 50
"""Rules of a world."""


def main(arguments: list[str] | None = None) -> int:
    """Run rounds until there are enough steps and faults, or the time is over; return the exit status."""
    options = _options(arguments)
    print(f"seed {options.seed}: repeat with --seed {options.seed}", flush=True)
    until, least = time.monotonic() + 60 * options.minutes, (options.steps, options.faults)
    report = Report(lambda line: print(line, flush=True), until, least)
    machine: type[Machine] = Chaos
    if options.servers == SERVERS:
        machine, report.longest_gap = FleetChaos, longest_gap
    with independent_of_the_shell(), kill_at_end(), tempfile.TemporaryDirectory() as folder:
        files = ServedFiles(Path(folder))
        files.write()
        number = options.seed
        while not report.ended() and not report.problems:
            run_chaos(machine, files, report, number, _worlds(options.faults - report.faults), RULES)
            number += 1
    print(f"\n{report.table()}\n\nseed {options.seed}, {time.monotonic() - report.began:.0f} s")
    for problem in report.problems:
        print(f"VIOLATION: {problem}")
    if not report.complete:
        print(f"the time is over: {report.steps} of {options.steps} steps, {report.faults} of {options.faults} faults")
    return 0 if report.complete and not report.problems else 1


def _worlds(missing: int) -> int:
    """Return the worlds that the next round needs: one without faults, and those for the faults that are missing."""
    return min(WORLDS, 2 + max(missing, 0) // RULES)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--steps", type=int, default=10_000, help="least number of steps that the trainer receives")
    parser.add_argument("--faults", type=int, default=200, help="least number of faults")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32), help="chooses the faults")
    parser.add_argument("--servers", type=int, choices=(1, SERVERS), default=1, help="of the trainer")
    parser.add_argument("--minutes", type=float, default=60.0, help="time after which nothing more is injected")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
