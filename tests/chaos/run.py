"""Runs of state machines: a world each, whose trainer goes on while Hypothesis chooses faults."""

import tempfile
from pathlib import Path
from typing import ClassVar

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.chaos.dataset import ServedFiles
from tests.chaos.report import Report
from tests.chaos.world import World

TRAIN_STEPS = 30

PAUSES = st.sampled_from([0.03, 0.02, 0.05])
"""Seconds that a training step takes: long enough for each step to be checked meanwhile, also on a busy machine."""


class Machine(RuleBasedStateMachine):
    """A world. Subclasses have the faults that happen to it; those of `run_chaos` have files and report."""

    files: ClassVar[ServedFiles]
    report: ClassVar[Report]
    servers: ClassVar[int] = 1

    def __init__(self) -> None:
        super().__init__()
        self._world: World | None = None

    @property
    def world(self) -> World:
        assert self._world is not None
        return self._world

    @initialize(training_seed=st.integers(0, (1 << 64) - 1), pause=PAUSES)
    def begin(self, training_seed: int, pause: float) -> None:
        folder = Path(tempfile.mkdtemp(dir=self.files.folder))
        report = self.report
        self._world = World(self.files, folder, training_seed, report.event, report.ended, self.servers)
        report.begin(self._world)
        self._world.start(pause)

    @rule()
    def train(self) -> None:
        if not self.world.over:
            self.report.event(f"step {self.world.ledger.next_step}: {TRAIN_STEPS} steps without a new fault")
            self.world.wait_for_steps(TRAIN_STEPS)

    @invariant()
    def each_step_comes_once_in_order_and_right(self) -> None:
        if self._world is not None:
            self._world.check()

    def teardown(self) -> None:
        if self._world is not None:
            self._world.end()
            self.report.end(self._world)


def run_chaos(machine: type[Machine], files: ServedFiles, report: Report, number: int, worlds: int, rules: int) -> None:
    """Run so many worlds with so many rules each.

    The first has no fault: Hypothesis begins with the simplest choices. A violation is noted in the report and ends its
    world. It is not an error for Hypothesis, which would repeat the whole run to find a shorter one.
    """
    run = type("Run", (machine,), {"files": files, "report": report})
    limits = settings(
        max_examples=worlds, stateful_step_count=rules, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck), verbosity=Verbosity.quiet, derandomize=False,
    )  # fmt: skip
    try:
        run_state_machine_as_test(seed(number)(run), settings=limits)
    finally:
        for world in report.worlds:
            world.abandon()
