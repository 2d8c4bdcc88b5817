"""Who was measured, how fast each was in every round, and the rows that follow."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.peers.job import Measured
from benchmarks.peers.routes import RouteName
from benchmarks.row import Row, paired

PEERS = {"pytorch": "PyTorch DataLoader", "grain": "Grain", "ray": "Ray Data", "spdl": "SPDL"}
"""Names of the peers, by the module that loads with them."""
DISTRIBUTIONS = {"pytorch": "torch", "grain": "grain", "ray": "ray", "spdl": "spdl"}
"""Names of their packages."""

OWN = "saccade-sampler"
ROUTE_TEXTS: dict[RouteName, str] = {"sampler": "JPEG, this sampler's functions", "plain": "JPEG, plain route"}
FIRST, LATER, STORE = "JPEG, first epoch", "JPEG, later epochs", "decoded store"
ONE, RANKS, TWINS = "1", "2, ranks of one stream", "2, same seed"


@dataclass(frozen=True, slots=True)
class Contender:
    """A way of getting batches: whose loader, what makes the samples, and how many trainers receive them."""

    loader: str
    source: str
    trainers: str = ONE

    @property
    def own(self) -> bool:
        """Whether it is this project's."""
        return self.loader == OWN


@dataclass(frozen=True, slots=True)
class Turn:
    """One round of a contender: samples per second of all trainers, and ms of CPU time of a sample, all processes."""

    rate: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Result:
    """All rounds of a contender."""

    contender: Contender
    turns: tuple[Turn, ...]

    @property
    def rates(self) -> list[float]:
        """Samples per second in each round."""
        return [turn.rate for turn in self.turns]

    @property
    def rate(self) -> float:
        """The median of the rates."""
        return statistics.median(self.rates)

    @property
    def cpu(self) -> float:
        """The median CPU time of a sample in ms."""
        return statistics.median(turn.cpu for turn in self.turns)

    @classmethod
    def of(cls, fields: dict[str, Any]) -> "Result":
        """Return the result of an `as_dict` that may have been through JSON."""
        contender = Contender(fields["loader"], fields["source"], fields["trainers"])
        turns = (Turn(rate, cpu) for rate, cpu in zip(fields["rates"], fields["cpu_ms"], strict=True))
        return cls(contender, tuple(turns))

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        who = self.contender
        return {
            "loader": who.loader, "source": who.source, "trainers": who.trainers, "rate": self.rate,
            "rates": self.rates, "cpu_ms": [turn.cpu for turn in self.turns],
        }  # fmt: skip


def turn_of(measured: Sequence[Measured]) -> Turn:
    """Return the turn of trainers that received at the same time, from the same server if there was one."""
    rate = sum(one.samples / one.seconds for one in measured)
    own = sum(one.own_cpu for one in measured) / sum(one.samples for one in measured)
    server = statistics.mean(one.server_cpu / one.seconds for one in measured) / rate
    return Turn(rate, (own + server) * 1000)


def rows_of(results: Sequence[Result]) -> list[Row]:
    """Return the rows with a bound. Each compares this project with the fastest peer; without peers there are none."""
    comparisons: tuple[tuple[str, str, RouteName, float], ...] = (
        ("loader, dense, JPEG in later epochs", LATER, "sampler", 2.0),
        ("loader, dense, JPEG in later epochs", LATER, "plain", 6.5),
        ("loader, dense, decoded store", STORE, "plain", 13.0),
    )
    texts: dict[RouteName, str] = {"sampler": "this sampler's functions", "plain": "the plain route"}
    rows = []
    for name, source, route, bound in comparisons:
        best = fastest(results, ROUTE_TEXTS[route])
        own = next((one for one in results if one.contender == Contender(OWN, source)), None)
        if best is not None and own is not None:
            limit = f"fastest peer with {texts[route]}, {best.contender.loader}"
            rows.append(paired(name, "samples/s", own.rates, limit, best.rates, bound, at_most=False))
    return rows


def fastest(results: Sequence[Result], source: str) -> Result | None:
    """Return the peer with the highest median rate on a route; None if there is no peer."""
    peers = [one for one in results if not one.contender.own and one.contender.source == source]
    return max(peers, key=lambda one: one.rate, default=None)
