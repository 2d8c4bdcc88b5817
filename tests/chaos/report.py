"""What happened: progress lines during the run, a table at the end."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.chaos.timeline import Fault, causes
from tests.chaos.world import World

NO_FAULT = "no fault"

REQUEST = "saccade_sampler.requests"
"""In the lines of a server's log that are not shown."""

LOG_LINES = 25


@dataclass(slots=True)
class Report:
    """Totals of all worlds.

    write: called with each line. deadline: of `time.monotonic`, after which nothing more is injected. least: steps and
    faults after which nothing more is injected either. longest_gap: returns the longest gap in seconds that faults of
    some kinds may cause; a longer one is a violation.
    """

    write: Callable[[str], None]
    deadline: float = math.inf
    least: tuple[float, float] = (math.inf, math.inf)
    longest_gap: Callable[[set[str]], float] = lambda _: math.inf
    began: float = field(default_factory=time.monotonic)
    worlds: list[World] = field(default_factory=list)

    @property
    def steps(self) -> int:
        return sum(world.ledger.received for world in self.worlds)

    @property
    def faults(self) -> int:
        return sum(len(world.faults) for world in self.worlds)

    @property
    def complete(self) -> bool:
        """Whether there are enough steps and faults."""
        return self.steps >= self.least[0] and self.faults >= self.least[1]

    def ended(self) -> bool:
        """Return whether nothing more is to be injected."""
        return self.complete or time.monotonic() > self.deadline

    @property
    def problems(self) -> list[str]:
        """Violations, each with its world."""
        return [*self._violations(), *self._late()]

    def _violations(self) -> list[str]:
        return [
            f"world {number}: {problem}"
            for number, world in enumerate(self.worlds, start=1)
            for problem in world.ledger.problems
        ]

    def begin(self, world: World) -> None:
        self.worlds.append(world)
        self.event("a world begins")

    def event(self, text: str) -> None:
        """Note something that happened in the newest world."""
        passed = time.monotonic() - self.began
        self.write(f"{passed:6.1f} s  {self.steps:6} steps  {self.faults:4} faults  world {len(self.worlds)}  {text}")

    def end(self, world: World) -> None:
        """Note the violations in a world that has ended, with the last lines of its logs."""
        for problem in world.ledger.problems:
            self.event(f"VIOLATION: {problem}")
        for name, log in _logs(world) if world.failed else []:
            lines = [line for line in log.splitlines() if REQUEST not in line]
            self.write("\n".join([f"the last lines of the {name}:", *lines[-LOG_LINES:]]))

    def table(self) -> str:
        """Return the totals, and the longest gap by kind of fault."""
        ledgers = [world.ledger for world in self.worlds]
        totals = {
            "steps received": self.steps,
            "of these replayed from older states": sum(ledger.replayed for ledger in ledgers),
            "faults": self.faults,
            "lost": sum(ledger.lost for ledger in ledgers),
            "repeated": sum(ledger.repeated for ledger in ledgers),
            "wrong": sum(ledger.wrong for ledger in ledgers),
            "violations": len(self.problems),
            "starts of the server": sum(
                server.starts for world in self.worlds for host in world.hosts for server in host.servers
            ),
            "starts of the trainer": sum(world.lives for world in self.worlds),
        }
        lines = [f"{name:38} {count:6}" for name, count in totals.items()]
        return "\n".join([*lines, "", *self._gaps()])

    def _gaps(self) -> list[str]:
        counts = Counter(fault.kind for world in self.worlds for fault in world.faults)
        alone: dict[str, float] = {}
        together: dict[str, float] = {}
        longest, due = 0.0, list[Fault]()
        for seconds, faults in self._causes():
            kinds = {fault.kind for fault in faults} or {NO_FAULT}
            found = together if len(kinds) > 1 else alone
            for kind in kinds:
                found[kind] = max(found.get(kind, 0.0), seconds)
            if seconds > longest:
                longest, due = seconds, faults
        lines = [f"{'fault':24} {'times':>6} {'longest gap':>12} {'with others':>12}"]
        for kind in [NO_FAULT, *sorted(counts)]:
            times, gaps = counts[kind] or "", [_seconds(found.get(kind)) for found in (alone, together)]
            lines.append(f"{kind:24} {times:>6} {gaps[0]:>12} {gaps[1]:>12}")
        names = ", ".join(map(str, due)) or NO_FAULT
        return [*lines, "", f"longest gap at the trainer: {longest:.2f} s, with {names}"]

    def _late(self) -> list[str]:
        """Return a line for each gap that is too long."""
        late = []
        for seconds, faults in self._causes():
            longest = self.longest_gap({fault.kind for fault in faults})
            if seconds > longest:
                names = ", ".join(map(str, faults)) or NO_FAULT
                late.append(f"a gap of {seconds:.2f} s at the trainer, above {longest:g} s, with {names}")
        return late

    def _causes(self) -> Iterator[tuple[float, list[Fault]]]:
        """Yield the seconds of each gap, and the faults that it is due to."""
        for world in self.worlds:
            for gap in world.ledger.gaps:
                yield gap.seconds, causes(gap, world.faults)


def _logs(world: World) -> list[tuple[str, str]]:
    return [*((host.label or "server", host.log) for host in world.hosts), ("trainer", world.trainer.log)]


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f} s"
