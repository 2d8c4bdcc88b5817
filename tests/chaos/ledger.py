"""Compares what the trainer received with what it must receive: each step once, in order, with the right bytes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tests.chaos.record import Entry, Failed, Received, Started


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which the trainer received nothing."""

    begin: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.begin


@dataclass(slots=True)
class Ledger:
    """Counts what is right and what is not.

    Attributes:
        hash_of: the hash of a step that the oracle computes.
        received: number of steps received, replayed ones included.
        furthest: one more than the highest step received.
        next_step: the step that the trainer must receive next.
        replayed: steps received again by a later life of the trainer, from an older state.
        errors: of the trainer, in order.
        problems: one line for each violation.
    """

    hash_of: Callable[[int], str]
    received: int = 0
    furthest: int = 0
    next_step: int = 0
    replayed: int = 0
    lost: int = 0
    repeated: int = 0
    wrong: int = 0
    gaps: list[Gap] = field(default_factory=list)
    errors: list[Failed] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    _starts: dict[int, int] = field(default_factory=dict)
    _before: float | None = None

    def expect_start(self, life: int, step: int) -> None:
        """Note that a life of the trainer begins with the state of a step."""
        self._starts[life] = step

    def add(self, entries: Iterable[Entry]) -> None:
        """Check new entries of the record."""
        for entry in entries:
            if isinstance(entry, Started):
                self._start(entry)
            elif isinstance(entry, Received):
                self._receive(entry)
            elif isinstance(entry, Failed):
                self.errors.append(entry)

    def _start(self, entry: Started) -> None:
        expected = self._starts[entry.life]
        if entry.step != expected:
            self.problems.append(f"life {entry.life} began at step {entry.step}, not at {expected}, as in its state")
        self.next_step = expected
        if expected > self.furthest:
            self.lost += expected - self.furthest
            self.problems.append(f"life {entry.life} began at step {expected}, but none after {self.furthest} was seen")

    def _receive(self, entry: Received) -> None:
        place = f"life {entry.life}, step {entry.step}"
        if entry.step > self.next_step:
            self.lost += entry.step - self.next_step
            self.problems.append(f"{place}: {self.next_step} was expected; steps are lost")
        elif entry.step < self.next_step:
            self.repeated += 1
            self.problems.append(f"{place}: {self.next_step} was expected; the step is repeated")
        if entry.sha != self.hash_of(entry.step):
            self.wrong += 1
            self.problems.append(f"{place}: wrong samples")
        self.received += 1
        self.replayed += entry.step < self.furthest
        self.furthest = max(self.furthest, entry.step + 1)
        self.next_step = entry.step + 1
        if self._before is not None:
            self.gaps.append(Gap(self._before, entry.time))
        self._before = entry.time
