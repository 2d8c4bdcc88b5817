"""The rules for a trainer with three servers, of which any two come to harm at a time."""

from collections.abc import Callable, Sequence
from functools import partial

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.chaos import faults
from tests.chaos.host import Host
from tests.chaos.run import Machine
from tests.chaos.world import STEPS_AFTER, World

SERVERS = 3

Harm = Callable[[World, Host, float], None]
"""Begins to do harm to one server for a number of seconds."""


def _kill(world: World, host: Host, seconds: float) -> None:
    faults.kill(world, "server", 0, False, host)


def _stop(world: World, host: Host, seconds: float) -> None:
    faults.stop(world, "server", 0, seconds, False, host)


def _restart(world: World, host: Host, seconds: float) -> None:
    faults.restart_server(world, False, host)


def _move(world: World, host: Host, seconds: float) -> None:
    faults.move_server(world, False, host)


def _other(world: World, host: Host, seconds: float) -> None:
    faults.serve_other(world, seconds, False, host)


def _cut(world: World, host: Host, seconds: float) -> None:
    faults.cut(world, False, host)


def _refuse(world: World, host: Host, seconds: float) -> None:
    faults.refuse(world, seconds, False, host)


def _flip(world: World, host: Host, seconds: float) -> None:
    faults.flip(world, 0.5, 3, False, host)


def _disturb(kind: str, world: World, host: Host, seconds: float) -> None:
    faults.disturb(world, kind, seconds, False, host)


REFUSING: dict[str, Harm] = {
    "kill": _kill, "restart": _restart, "move": _move, "other": _other, "cut": _cut, "refuse": _refuse, "flip": _flip,
}  # fmt: skip
HANGING: dict[str, Harm] = {
    "stop": _stop, "drop": partial(_disturb, "drop"), "dribble": partial(_disturb, "dribble"),
    "delay": partial(_disturb, "delay"),
}  # fmt: skip
HARMS = REFUSING | HANGING


def harm(world: World, kinds: Sequence[str], victims: Sequence[int], seconds: float) -> None:
    """Do harm of these kinds to these servers at the same time, and let the trainer go on for a while after it."""
    for kind, victim in zip(kinds, victims, strict=True):
        HARMS[kind](world, world.hosts[victim], seconds)
    world.train_for(seconds)
    world.heal()
    world.wait_for_steps(STEPS_AFTER)


REFUSING_SECONDS = 1.0
HANGING_SECONDS = 2.0
"""Longest gap at the trainer while a server refuses connections, and while one hangs."""

HANGING_FAULTS = ("stop server", "network: drop", "network: dribble", "network: delay")


def longest_gap(kinds: set[str]) -> float:
    """Return the longest gap in seconds that faults of these kinds may cause together."""
    return HANGING_SECONDS if kinds.intersection(HANGING_FAULTS) else REFUSING_SECONDS


KINDS = st.sampled_from(sorted(HARMS))
VICTIMS = st.permutations(range(SERVERS)).map(lambda order: order[:2])
SECONDS = st.sampled_from([0.3, 1.5, 7.0])


class FleetChaos(Machine):
    """A world with three servers. At most two are harmed at a time, and the next come when all are well."""

    servers = SERVERS

    @rule(kind=KINDS, victim=st.integers(0, SERVERS - 1), seconds=SECONDS)
    def harm_one(self, kind: str, victim: int, seconds: float) -> None:
        self._harm([kind], [victim], seconds)

    @rule(kind=KINDS, victims=VICTIMS, seconds=SECONDS)
    def harm_two(self, kind: str, victims: list[int], seconds: float) -> None:
        self._harm([kind, kind], victims, seconds)

    @rule(kinds=st.tuples(KINDS, KINDS), victims=VICTIMS, seconds=SECONDS)
    def harm_two_differently(self, kinds: tuple[str, str], victims: list[int], seconds: float) -> None:
        self._harm(kinds, victims, seconds)

    def _harm(self, kinds: Sequence[str], victims: Sequence[int], seconds: float) -> None:
        if not self.world.over:
            harm(self.world, kinds, victims, seconds)
            self.world.wait_for_servers()
