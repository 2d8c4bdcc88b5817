"""The rules: Hypothesis chooses which fault comes when, how long it lasts and whether the next one waits for it."""

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.chaos import faults
from tests.chaos.dataset import ServedFiles
from tests.chaos.report import Report
from tests.chaos.world import World

TRAIN_STEPS = 30

MAX_REPLACEMENTS = 2
"""How often the dataset of a world is replaced, which takes as long as five other faults."""

PROCESSES = st.sampled_from(["worker", "server", "loader", "trainer"])
NUMBERS = st.integers(0, 3)
SETTLE = st.booleans()
SHORT = st.sampled_from([0.3, 1.5])
LONG = st.sampled_from([0.3, 1.5, 7.0])
"""Seconds below and above the time after which the trainer gives up a silent connection."""
STOPPED = st.sampled_from([0.3, 1.5, 12.0])
"""Seconds below and above the time after which a stopped worker or loader is replaced."""
WORLD_SIZES = st.integers(1, 2)
PAUSES = st.sampled_from([0.03, 0.02, 0.05])
"""Seconds that a training step takes: long enough for each step to be checked meanwhile, also on a busy machine."""


class Chaos(RuleBasedStateMachine):
    """A world, and faults that happen to it. Subclasses name where its files are and who is told."""

    files: ServedFiles
    report: Report

    def __init__(self) -> None:
        super().__init__()
        self._world: World | None = None
        self.replacements = 0

    @property
    def world(self) -> World:
        assert self._world is not None
        return self._world

    @initialize(training_seed=st.integers(0, (1 << 64) - 1), pause=PAUSES)
    def begin(self, training_seed: int, pause: float) -> None:
        folder = Path(tempfile.mkdtemp(dir=self.files.folder))
        self._world = World(self.files, folder, training_seed, self.report.event, self.report.deadline)
        self.report.begin(self._world)
        self._world.start(pause)

    @rule()
    def train(self) -> None:
        if not self.world.over:
            self.report.event(f"step {self.world.ledger.next_step}: {TRAIN_STEPS} steps without a new fault")
            self.world.wait_for_steps(TRAIN_STEPS)

    # One rule for each process that is killed: each rule is as likely as any other.

    @rule(number=NUMBERS, settle=SETTLE)
    def kill_worker(self, number: int, settle: bool) -> None:
        faults.kill(self.world, "worker", number, settle)

    @rule(number=NUMBERS)
    def kill_loader(self, number: int) -> None:
        # Settled, because a loader rightly gives up if its process dies three times in a row without a batch.
        faults.kill(self.world, "loader", number, settle=True)

    @rule(settle=SETTLE)
    def kill_server(self, settle: bool) -> None:
        faults.kill(self.world, "server", 0, settle)

    @rule(settle=SETTLE)
    def kill_trainer(self, settle: bool) -> None:
        faults.kill(self.world, "trainer", 0, settle)

    @rule(name=PROCESSES, number=NUMBERS, seconds=STOPPED, settle=SETTLE)
    def stop(self, name: str, number: int, seconds: float, settle: bool) -> None:
        faults.stop(self.world, name, number, seconds, settle)

    @rule(seconds=STOPPED)
    def suspend_all(self, seconds: float) -> None:
        faults.suspend_all(self.world, seconds)

    @rule(settle=SETTLE)
    def restart_server(self, settle: bool) -> None:
        faults.restart_server(self.world, settle)

    @rule(settle=SETTLE)
    def move_server(self, settle: bool) -> None:
        faults.move_server(self.world, settle)

    @rule(kind=st.sampled_from(sorted(faults.TROUBLES)), seconds=LONG, settle=SETTLE)
    def disturb_network(self, kind: str, seconds: float, settle: bool) -> None:
        faults.disturb(self.world, kind, seconds, settle)

    @rule(settle=SETTLE)
    def cut_network(self, settle: bool) -> None:
        faults.cut(self.world, settle)

    @rule(seconds=SHORT, settle=SETTLE)
    def refuse_network(self, seconds: float, settle: bool) -> None:
        faults.refuse(self.world, seconds, settle)

    @rule(place=st.floats(0, 1), bit=st.integers(0, 7), settle=SETTLE)
    def flip_bit(self, place: float, bit: int, settle: bool) -> None:
        faults.flip(self.world, place, bit, settle)

    @rule(world_size=WORLD_SIZES, pause=PAUSES)
    def change_world_size(self, world_size: int, pause: float) -> None:
        faults.preempt(self.world, world_size, pause)

    @rule(age=st.floats(0, 1))
    def load_old_state(self, age: float) -> None:
        faults.load_old_state(self.world, age)

    @precondition(lambda self: self.replacements < MAX_REPLACEMENTS)
    @rule(world_size=WORLD_SIZES)
    def replace_dataset(self, world_size: int) -> None:
        self.replacements += 1
        faults.replace_dataset(self.world, world_size)

    @rule(seconds=SHORT)
    def fill_disk(self, seconds: float) -> None:
        faults.fill_disk(self.world, seconds)

    @invariant()
    def each_step_comes_once_in_order_and_right(self) -> None:
        if self._world is not None:
            self._world.check()

    def teardown(self) -> None:
        if self._world is not None:
            self._world.end()
            self.report.end(self._world)


def run_chaos(files: ServedFiles, report: Report, number: int, worlds: int, rules: int) -> None:
    """Run so many worlds with so many rules each.

    The first has no fault: Hypothesis begins with the simplest choices. A violation is noted in the report and ends its
    world. It is not an error for Hypothesis, which would repeat the whole run to find a shorter one.
    """

    class Run(Chaos):
        pass

    Run.files, Run.report = files, report
    limits = settings(
        max_examples=worlds, stateful_step_count=rules, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck), verbosity=Verbosity.quiet, derandomize=False,
    )  # fmt: skip
    try:
        run_state_machine_as_test(seed(number)(Run), settings=limits)
    finally:
        for world in report.worlds:
            world.abandon()
