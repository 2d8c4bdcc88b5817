"""How long pages take, the first time and again, and the server's CPU time for them."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.pages.kinds import KINDS
from benchmarks.pages.visitor import Visitor
from benchmarks.server import MeasuredServer

RUNS = 10
HEAD = ("page with its pictures", "dataset", "first time, ms", "again, ms", "CPU first, ms", "CPU again, ms")


@dataclass(frozen=True, slots=True)
class PageTimes:
    """Times of one page in ms.

    Attributes:
        dataset: The name of the dataset.
        first: When the server has not made the page, or anything of it, before; one value for a run.
        again: The same pages right afterwards, without a browser's cache.
        cpu: What the server, with its workers, uses for a page: the first time, and again.
    """

    page: str
    dataset: str
    first: tuple[float, ...]
    again: tuple[float, ...]
    cpu: tuple[float, float]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def of(cls, fields: dict[str, Any]) -> "PageTimes":
        """Return the times of an `as_dict` that may have been through JSON."""
        first, again, cpu = (tuple(fields[name]) for name in ("first", "again", "cpu"))
        return cls(fields["page"], fields["dataset"], first, again, cpu)


def page_times(server: MeasuredServer, dataset: str) -> Iterator[PageTimes]:
    """Measure every kind of page of a server."""
    with Visitor(server.url) as visitor:
        for kind in KINDS:
            paths = [kind.path(number) for number in range(1, RUNS + 2)]
            visitor.seconds(paths.pop(0))  # loads templates and functions that the first page of a kind needs
            first, cpu_first = _visit(server, visitor, paths)
            again, cpu_again = _visit(server, visitor, paths)
            yield PageTimes(kind.name, dataset, first, again, (cpu_first, cpu_again))


def _visit(server: MeasuredServer, visitor: Visitor, paths: Sequence[str]) -> tuple[tuple[float, ...], float]:
    """Return how long each page takes, and the mean of the server's CPU time, in ms."""
    before = server.cpu_seconds()
    times = tuple(1000 * visitor.seconds(path) for path in paths)
    return times, 1000 * (server.cpu_seconds() - before) / len(paths)


def lines(times: Sequence[PageTimes]) -> list[tuple[str, ...]]:
    """Return the lines of the table: medians with the range of the runs in brackets, and means of CPU time."""
    return [
        (one.page, one.dataset, _cell(one.first), _cell(one.again), *(f"{cpu:,.0f}" for cpu in one.cpu))
        for one in times
    ]


def _cell(values: Sequence[float]) -> str:
    return f"{statistics.median(values):,.0f} ({min(values):,.0f}–{max(values):,.0f})"
