"""Rows of the benchmark table."""

import statistics
from collections.abc import Sequence
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
