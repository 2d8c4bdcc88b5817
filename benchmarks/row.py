"""One line of the benchmark table, and the measuring of functions in turn."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

NO_LIMIT = "–"
"""Stands for the limit of a row whose bound is a number of its own."""


@dataclass(frozen=True, slots=True)
class Row:
    """Something measured, what limits it, and how near to that it must come.

    value and limit are in `unit`. bound: what value ÷ limit must be, at most or at least. spread: the lowest and the
    highest ratio among the runs, each of which measured both.
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
        """The ratio as people read it: two places, or whole where it is large."""
        return f"{self.ratio:,.2f}" if self.ratio < 100 else f"{self.ratio:,.0f}"

    @property
    def met(self) -> bool:
        """Whether the ratio is within the bound."""
        return self.ratio <= self.bound if self.at_most else self.ratio >= self.bound

    @property
    def use(self) -> float:
        """How much of its bound a row takes up: up to 1 it is met, whichever way the bound points."""
        return self.ratio / self.bound if self.at_most else self.bound / self.ratio

    @classmethod
    def of(cls, fields: dict[str, Any]) -> "Row":
        """Return the row whose `as_dict` this is, as JSON gives it back."""
        kept = {name: value for name, value in fields.items() if name not in ("ratio", "met")}
        return cls(**kept | {"spread": tuple(kept["spread"]) if kept["spread"] else None})

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
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

    Its ratio is the median of the runs' own ratios, so that a machine that changes its pace between runs changes
    nothing; its value is the median one, and the limit is what goes with both.
    """
    ratios = [value / limit for value, limit in zip(values, limits, strict=True)]
    value = statistics.median(values)
    limit = value / statistics.median(ratios)
    return Row(name, unit, value, limit_name, limit, bound, at_most, (min(ratios), max(ratios)))


def milliseconds(functions: list[Callable[[int], object]], count: int, runs: int = 5) -> list[float]:
    """Return the median time of a call of each function, in ms.

    Each is called with 0 … count−1; once to warm up, then `runs` times, the functions in turn, so that a machine that
    slows down slows all of them.
    """
    return [statistics.median(times) for times in each_run(functions, count, runs)]


def each_run(
    functions: list[Callable[[int], object]],
    count: int,
    runs: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> list[list[float]]:
    """Return for each function the time of a call in each run, in ms, measured as `milliseconds` says.

    clock: gives seconds; `time.process_time` counts the processor's.
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
