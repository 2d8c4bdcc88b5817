"""Whether a trainer gets fewer samples while people browse."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.clients import ClientProcesses, Work, client_processes
from benchmarks.pages.people import PEOPLE, People, people
from benchmarks.table import number

BATCH = 48
ROUNDS = 7
SECONDS = 9.0
"""About how long the trainer receives batches at a time."""
TRIAL_STEPS = 24
BUSY_SHARE = 0.7
"""How fast the slower trainer is, compared with one that only receives."""

HEAD = (
    "trainer", "samples/s alone", f"with {PEOPLE} people", "with ÷ alone", "alone ÷ alone", "a page, ms",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Browsing:
    """What one trainer receives, with one value of each for a round.

    Attributes:
        trainer: Its name.
        before: Samples a second before people browse.
        during: While they do.
        after: When they have stopped.
        pages: The seconds that the pages took which they opened.
    """

    trainer: str
    before: tuple[float, ...]
    during: tuple[float, ...]
    after: tuple[float, ...]
    pages: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        """In each round, the rate while people browse, divided by the mean of those before and after."""
        rounds = zip(self.during, self.before, self.after, strict=True)
        return [during / statistics.mean([before, after]) for during, before, after in rounds]

    @property
    def noise(self) -> list[float]:
        """In each round, the rate after people browsed, divided by that before: what two equal runs differ by."""
        return [after / before for before, after in zip(self.before, self.after, strict=True)]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def of(cls, fields: dict[str, Any]) -> "Browsing":
        """Return the value of an `as_dict` that may have been through JSON."""
        return cls(fields["trainer"], *(tuple(fields[name]) for name in ("before", "during", "after", "pages")))


def browsing(url: str) -> Iterator[Browsing]:
    """Measure a trainer that only receives, and one that leaves the server time."""
    with client_processes(url, 1) as clients, people(url) as persons:
        trial = [_receive(clients, Work(seed, (0, TRIAL_STEPS), BATCH)) for seed in range(3)]
        fastest = max(trial)  # the first warms up
        yield _measure(clients, persons, "only receives", fastest, 0.0)
        rate = fastest * BUSY_SHARE
        pause = BATCH / rate  # all of its time: the server makes the next batches meanwhile
        yield _measure(clients, persons, f"takes {BUSY_SHARE:.0%} of that", rate, pause)


def _measure(clients: ClientProcesses, persons: People, name: str, rate: float, pause: float) -> Browsing:
    steps = max(TRIAL_STEPS, round(rate * SECONDS / BATCH))
    persons.seconds.clear()
    before, during, after = [], [], []
    for turn in range(ROUNDS):
        # Another seed each time: no batch was made before.
        first, second, third = (Work(10 * (turn + 1) + place, (0, steps), BATCH, pause=pause) for place in range(3))
        before.append(_receive(clients, first))
        with persons.browsing():
            during.append(_receive(clients, second))
        after.append(_receive(clients, third))
    return Browsing(name, tuple(before), tuple(during), tuple(after), tuple(persons.seconds))


def _receive(clients: ClientProcesses, work: Work) -> float:
    """Return the samples per second of a trainer."""
    [report] = clients.receive([work])
    return (work.steps[1] - work.steps[0]) * BATCH / report.seconds


def lines(found: Sequence[Browsing]) -> list[tuple[str, ...]]:
    """Return the lines of the table: medians, the range of the rounds in brackets."""
    return [
        (
            one.trainer,
            number(statistics.median([*one.before, *one.after])),
            number(statistics.median(one.during)),
            _ratio(one.ratios),
            _ratio(one.noise),
            f"{1000 * statistics.median(one.pages):,.0f} ({len(one.pages):,} pages)",
        )
        for one in found
    ]


def _ratio(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})"
