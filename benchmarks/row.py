"""Rows of the benchmark table, and measuring functions in turn."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

NO_LIMIT = "–"
"""Name of the limit in a row whose bound is an absolute number."""


@dataclass(frozen=True, slots=True)
class Row:
    """A measurement, its limit, and the bound on their ratio.

    Attributes:
        value: In `unit`, like `limit`.
        bound: What value ÷ limit must be, at most or at least.
        spread: The lowest and the highest ratio of the runs, each of which measured both.
    """

    name: str
    unit: str
    value: float
    limit_name: str
    limit: float
    bound: float
    at_most: bool = True
    spread: tuple[float, float] | None = None

    @property
    def ratio(self) -> float:
        """The value divided by its limit."""
        return self.value / self.limit

    @property
    def ratio_text(self) -> str:
        """The ratio with two decimals, or without if it is large."""
        return f"{self.ratio:,.2f}" if self.ratio < 100 else f"{self.ratio:,.0f}"

    @property
    def met(self) -> bool:
        """Whether the ratio is within the bound."""
        return self.ratio <= self.bound if self.at_most else self.ratio >= self.bound

    @property
    def use(self) -> float:
        """The share of the bound that the row takes up: at most 1 if it is met, in either direction."""
        return self.ratio / self.bound if self.at_most else self.bound / self.ratio

    @classmethod
    def of(cls, fields: dict[str, Any]) -> "Row":
        """Return the row of an `as_dict` that may have been through JSON."""
        kept = {name: value for name, value in fields.items() if name not in ("ratio", "met")}
        return cls(**kept | {"spread": tuple(kept["spread"]) if kept["spread"] else None})

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "name": self.name, "unit": self.unit, "value": self.value, "limit_name": self.limit_name,
            "limit": self.limit, "ratio": self.ratio, "bound": self.bound, "at_most": self.at_most, "met": self.met,
            "spread": self.spread,
        }  # fmt: skip


def paired(
    name: str,
    unit: str,
    values: Sequence[float],
    limit_name: str,
    limits: Sequence[float],
    bound: float,
    at_most: bool = True,
) -> Row:
    """Return the row of runs that each measured a value and its limit.

    The ratio is the median of the ratios of the runs, so a change of the machine's speed between runs does not matter.
    The value is the median of the values. The limit follows from both.
    """
    ratios = [value / limit for value, limit in zip(values, limits, strict=True)]
    value = statistics.median(values)
    limit = value / statistics.median(ratios)
    return Row(name, unit, value, limit_name, limit, bound, at_most, (min(ratios), max(ratios)))


def milliseconds(functions: list[Callable[[int], object]], count: int, runs: int = 5) -> list[float]:
    """Return the median time of a call of each function, in ms.

    Each is called with 0 … count−1: once to warm up, then `runs` times. The functions take turns, so that a machine
    that slows down slows all of them.
    """
    return [statistics.median(times) for times in each_run(functions, count, runs)]


def each_run(
    functions: list[Callable[[int], object]],
    count: int,
    runs: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> list[list[float]]:
    """Return for each function the time of a call in each run, in ms, measured as `milliseconds` says.

    clock: returns seconds; `time.process_time` counts CPU time.
    """
    taken: list[list[float]] = [[] for _ in functions]
    for run in range(runs + 1):
        for function, times in zip(functions, taken, strict=True):
            began = clock()
            for index in range(count):
                function(index)
            if run:
                times.append((clock() - began) * 1000 / count)
    return taken
