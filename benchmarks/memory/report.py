"""The table of what processes hold."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.memory.usage import Usage

HEAD = (
    "source", "process", "private at rest", "under load", "afterwards",
    "shared memory", "mapped dataset", "code", "RSS",
)  # fmt: skip

EXPLANATION = """\
All numbers are MB. *Private* memory belongs to one process. *Under load* is the largest value while a loader receives
dense batches and another client requests all layouts and pictures; *afterwards*, processes have been idle for 5 s. The
columns on the right are those under load. *Shared memory* is the arena of server and workers, or the slots of a loader.
Workers share the *mapped dataset* (index and store) and the *code* of libraries, so these count once for each host."""
"""How to read the table."""


@dataclass(frozen=True, slots=True)
class Held:
    """What one process holds.

    Attributes:
        source: What its server reads.
        process: Its name.
        at_rest: Before the first request; None if it does not run yet.
        under_load: The largest of each number.
        afterwards: When it has had nothing to do for some seconds.
    """

    source: str
    process: str
    at_rest: Usage | None
    under_load: Usage
    afterwards: Usage


def lines(held: Sequence[Held]) -> list[tuple[str, ...]]:
    """Return the lines of the table."""
    return [_line(one) for one in held]


def _line(held: Held) -> tuple[str, ...]:
    load = held.under_load
    at_rest = "–" if held.at_rest is None else _megabytes(held.at_rest.private)
    private = at_rest, _megabytes(load.private), _megabytes(held.afterwards.private)
    others = (_megabytes(size) for size in (load.shared, load.dataset, load.code, load.resident))
    return held.source, held.process, *private, *others


def _megabytes(size: int) -> str:
    return f"{size / (1 << 20):,.0f}" if size >= 10 << 20 else f"{size / (1 << 20):.1f}"
