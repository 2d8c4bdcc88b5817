"""How long pages take, the first time and again."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.pages.kinds import KINDS
from benchmarks.pages.visitor import Visitor

RUNS = 5
HEAD = ("page with its pictures", "dataset", "first time, ms", "again, ms")


@dataclass(frozen=True, slots=True)
class PageTimes:
    """Times of one page in ms, each with one value for a run.

    Attributes:
        dataset: The name of the dataset.
        first: When the server has not made the page, or anything of it, before.
        again: The same pages right afterwards, without a browser's cache.
    """

    page: str
    dataset: str
    first: tuple[float, ...]
    again: tuple[float, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def of(cls, fields: dict[str, Any]) -> "PageTimes":
        """Return the times of an `as_dict` that may have been through JSON."""
        return cls(fields["page"], fields["dataset"], tuple(fields["first"]), tuple(fields["again"]))


def page_times(url: str, dataset: str) -> Iterator[PageTimes]:
    """Measure every kind of page of a server."""
    with Visitor(url) as visitor:
        for kind in KINDS:
            paths = [kind.path(number) for number in range(1, RUNS + 2)]
            visitor.seconds(paths.pop(0))  # loads templates and functions that the first page of a kind needs
            first = [1000 * visitor.seconds(path) for path in paths]
            again = [1000 * visitor.seconds(path) for path in paths]
            yield PageTimes(kind.name, dataset, tuple(first), tuple(again))


def lines(times: Sequence[PageTimes]) -> list[tuple[str, ...]]:
    """Return the lines of the table: medians, the range of the runs in brackets."""
    return [(one.page, one.dataset, _cell(one.first), _cell(one.again)) for one in times]


def _cell(values: Sequence[float]) -> str:
    return f"{statistics.median(values):,.0f} ({min(values):,.0f}–{max(values):,.0f})"
