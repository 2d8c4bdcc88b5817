"""One line of the benchmark table."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """Something measured, what limits it, and how near to that it must come.

    value and limit are in `unit`. bound: what value ÷ limit must be, at most or at least.
    """

    name: str
    unit: str
    value: float
    limit_name: str
    limit: float
    bound: float
    at_most: bool = True

    @property
    def ratio(self) -> float:
        """The value divided by its limit."""
        return self.value / self.limit

    @property
    def met(self) -> bool:
        """Whether the ratio is within the bound."""
        return self.ratio <= self.bound if self.at_most else self.ratio >= self.bound

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "name": self.name, "unit": self.unit, "value": self.value, "limit_name": self.limit_name,
            "limit": self.limit, "ratio": self.ratio, "bound": self.bound, "at_most": self.at_most, "met": self.met,
        }  # fmt: skip


def milliseconds(functions: list[Callable[[int], object]], count: int, runs: int = 5) -> list[float]:
    """Return the median time of a call of each function, in ms.

    Each is called with 0 … count−1; once to warm up, then `runs` times, the functions in turn, so that a machine that
    slows down slows all of them.
    """
    taken: list[list[float]] = [[] for _ in functions]
    for run in range(runs + 1):
        for function, times in zip(functions, taken, strict=True):
            began = time.perf_counter()
            for index in range(count):
                function(index)
            if run:
                times.append((time.perf_counter() - began) * 1000 / count)
    return [statistics.median(times) for times in taken]
