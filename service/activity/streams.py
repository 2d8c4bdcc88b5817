"""The batch responses under way: how far each has come, and what it waits for."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Literal

from service.log_lines import request_id

Wait = Literal["workers", "client", "place"]
"""What a response waits for: its next run, its client to read, or a place among the requests that are served."""

WAITS: tuple[Wait, ...] = ("workers", "client", "place")


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """What a response sends.

    Attributes:
        dataset: Title of the dataset.
        layout: Layout of the samples.
        seed: Seed of the samples.
        rank: Of `world_size`.
        batch_size: Of all ranks together; of a batch by index, its number of samples.
        is_stream: Whether it has batch after batch.
    """

    dataset: str
    layout: str
    seed: int
    rank: int = 0
    world_size: int = 1
    batch_size: int = 1
    is_stream: bool = False


@dataclass(frozen=True, slots=True)
class SendingTimes:
    """Seconds since a connection was opened in which it had data to send, and of these, the receiver did not read."""

    busy: float
    unread: float


@dataclass(frozen=True, slots=True)
class Totals:
    """What responses have sent, and the seconds that they took and waited."""

    samples: int = 0
    sent_bytes: int = 0
    seconds: float = 0.0  # from their admission on
    workers: float = 0.0
    client: float = 0.0
    place: float = 0.0
    sending: float = 0.0  # in which the socket had data to send, if the system tells
    unread: float = 0.0  # of these: the buffer of the receiver was full, because its process did not read

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(Totals)))

    def __sub__(self, other: "Totals") -> "Totals":
        return Totals(*(getattr(self, one.name) - getattr(other, one.name) for one in fields(Totals)))


class StreamProgress:
    """One response under way. Its sender calls the methods with verbs for names, for each piece of 2.5 MB.

    Attributes:
        facts: What it sends.
        client: Address of the client, which may be any text that a trusted proxy gives.
        request_id: Id of the request.
        step: The step that is being sent; None of a batch by index, and before the first.
        pauses: How often it was paused.
        paused: Whether it is paused now.
        waiting_for: What it waits for now; None while it sends.
    """

    def __init__(
        self,
        facts: StreamFacts,
        client: str,
        sending: Callable[[], SendingTimes | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """sending: returns the times of its connection, which may have sent other responses before."""
        self.facts = facts
        self.client = client
        self.request_id = request_id.get()
        self.step: int | None = None
        self.samples = 0
        self.sent_bytes = 0
        self.pauses = 0
        self.paused = False
        self.waiting_for: Wait | None = None
        self._clock = clock
        self._begun = self._sent = self._since = clock()
        self._waited = dict.fromkeys(WAITS, 0.0)
        self._sending = sending
        self._sent_before = self._sending_now = sending() or SendingTimes(0.0, 0.0)

    def wait_for(self, reason: Wait) -> None:
        """Note that it waits from now on. A wait that has begun ends."""
        self.go_on()
        self.waiting_for = reason

    def go_on(self) -> None:
        """Note that it waits for nothing any more."""
        now = self._clock()
        if self.waiting_for is not None:
            self._waited[self.waiting_for] += now - self._since
        self.waiting_for = None
        self._since = now

    def send(self, size: int) -> None:
        """Note that `size` bytes were given to the socket."""
        self.sent_bytes += size
        self._sent = self._clock()

    def pause(self) -> None:
        """Note that it is paused, because its client does not read."""
        self.pauses += 1
        self.paused = True

    def resume(self) -> None:
        """Note that it is paused no more."""
        self.paused = False

    @property
    def name(self) -> str:
        """What it sends, for people."""
        facts = self.facts
        step = "" if self.step is None else f", step {self.step}"
        return f"{facts.dataset}, seed {facts.seed}, rank {facts.rank} of {facts.world_size}{step}"

    @property
    def age(self) -> float:
        """Seconds since the response was admitted."""
        return self._clock() - self._begun

    @property
    def idle(self) -> float:
        """Seconds since anything was sent."""
        return self._clock() - self._sent

    @property
    def totals(self) -> Totals:
        """Everything so far, the present wait included."""
        waited = dict(self._waited)
        now = self._clock()
        if self.waiting_for is not None:
            waited[self.waiting_for] += now - self._since
        before = self._sent_before
        self._sending_now = times = self._sending() or self._sending_now  # the last ones, once the socket is closed
        return Totals(
            self.samples, self.sent_bytes, now - self._begun, waited["workers"], waited["client"], waited["place"],
            times.busy - before.busy, times.unread - before.unread,
        )  # fmt: skip


class StreamRegistry:
    """All responses under way, and the totals of those that have ended."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: dict[StreamProgress, None] = {}
        self._ended: dict[str, Totals] = {}  # by dataset

    @contextmanager
    def open(
        self, facts: StreamFacts, client: str, sending: Callable[[], SendingTimes | None] = lambda: None
    ) -> Iterator[StreamProgress]:
        """Register a response for the length of the block."""
        progress = StreamProgress(facts, client, sending, self._clock)
        self._open[progress] = None
        try:
            yield progress
        finally:
            del self._open[progress]
            self._ended[facts.dataset] = self._ended.get(facts.dataset, Totals()) + progress.totals

    def __iter__(self) -> Iterator[StreamProgress]:
        """Yield the responses, oldest first."""
        return iter(list(self._open))

    def __len__(self) -> int:
        return len(self._open)

    @property
    def totals(self) -> Totals:
        """The totals of all responses since the server started. Each number only grows, also while a wait lasts."""
        return sum(self.by_dataset().values(), Totals())

    def by_dataset(self) -> dict[str, Totals]:
        """Return the totals of all responses since the server started, by the title of their dataset."""
        found = dict(self._ended)
        for progress in self._open:
            dataset = progress.facts.dataset
            found[dataset] = found.get(dataset, Totals()) + progress.totals
        return found
