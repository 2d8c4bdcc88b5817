"""The rules: Hypothesis chooses which fault comes when, how long it lasts and whether the next one waits for it."""

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.chaos import faults
from tests.chaos.run import PAUSES, Machine

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


class Chaos(Machine):
    """A world with one server, and faults that happen to every process and to the network."""

    def __init__(self) -> None:
        super().__init__()
        self.replacements = 0

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
