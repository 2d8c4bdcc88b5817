"""A server of the simulation: its process, its workers and its network."""

import random
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

import simpy

from benchmarks.fleet.scenario import RUN, Failure, ServiceTimes, Stutter

Events = Generator[simpy.Event, Any, None]

BITS = 8
GIGABIT = 1e9


@dataclass(eq=False, slots=True)
class Request:
    """A request as its client sees it.

    Attributes:
        samples: Number of samples.
        on_bytes: Called when some samples have arrived, with the number of all so far.
        on_end: Called at the end, with True if the response is complete and False if it broke off.
        cancelled: Set by the client if it waits no longer.
    """

    samples: int
    on_bytes: Callable[[int], None]
    on_end: Callable[[bool], None]
    cancelled: bool = False


@dataclass(slots=True)
class Counts:
    """What a server has done.

    Attributes:
        begun: Requests received.
        completed: Of these, those whose response is complete.
        broken: Those that the server has refused or lost.
        abandoned: Those that the client has cancelled.
        samples: Samples sent.
        busy: Seconds of its workers.
    """

    begun: int = 0
    completed: int = 0
    broken: int = 0
    abandoned: int = 0
    samples: int = 0
    busy: float = 0.0


@dataclass(eq=False)
class SimulatedServer:
    """A host with one server.

        process reads it → workers make its runs, several at once → process sends each run → network

    That is the way of a request. The process, the network and each worker serve one after another, in order of arrival.
    """

    env: simpy.Environment
    times: ServiceTimes
    workers: int
    network: float
    random: random.Random
    stutter: Stutter
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        """Make the queues."""
        self._process = _Line(self.env)
        self._workers = simpy.Resource(self.env, self.workers)
        self._network = _Line(self.env)
        self._open: dict[Request, None] = {}  # a set in the order of arrival
        self._failure: Failure | None = None

    @property
    def open(self) -> int:
        """Number of requests that are being served."""
        return len(self._open)

    @property
    def ready(self) -> bool:
        """What a request for /readyz would tell."""
        return self._failure is None

    def receive(self, request: Request) -> None:
        """Take a request. A server that refuses breaks it off at once; one that hangs keeps silent."""
        self.counts.begun += 1
        if self._failure is None:
            self._open[request] = None
            self.env.process(self._serve(request))
            return
        self.counts.broken += 1
        if self._failure == "refuses":
            request.on_end(False)

    def fail(self, failure: Failure) -> None:
        """Begin to fail. Everything that was being made is lost."""
        lost, self._open, self._failure = self._open, {}, failure
        self.counts.broken += len(lost)
        if failure == "refuses":
            for request in lost:
                request.on_end(False)

    def recover(self) -> None:
        """Work again."""
        self._failure = None

    def _serve(self, request: Request) -> Events:
        yield self._process.pass_through(self.times.request)
        sizes = [min(RUN, request.samples - first) for first in range(0, request.samples, RUN)]
        arrived = [0]
        yield simpy.AllOf(self.env, [self.env.process(self._run(request, size, arrived)) for size in sizes])
        if request not in self._open:
            return
        del self._open[request]
        if request.cancelled:
            self.counts.abandoned += 1
            return
        self.counts.completed += 1
        self.counts.samples += request.samples
        request.on_end(True)

    def _run(self, request: Request, size: int, arrived: list[int]) -> Events:
        making = size * self.times.making * self.random.choice(self.times.ratios)
        if self.stutter.share and self.random.random() < self.stutter.share:
            making += self.stutter.seconds
        with self._workers.request() as turn:
            yield turn
            if not self._wanted(request):
                return  # a run that nobody waits for is not made
            self.counts.busy += making
            yield self.env.timeout(making)
        yield self._process.pass_through(size * self.times.sending)
        yield self._network.pass_through(size * self.times.sample_bytes * BITS / (self.network * GIGABIT))
        if self._wanted(request):
            arrived[0] += size
            request.on_bytes(arrived[0])

    def _wanted(self, request: Request) -> bool:
        return request in self._open and not request.cancelled


class _Line:
    """Something that serves one after another, in order of arrival, and nobody leaves: only its end matters."""

    def __init__(self, env: simpy.Environment) -> None:
        self._env = env
        self._free_at = 0.0

    def pass_through(self, seconds: float) -> simpy.Timeout:
        """Return the event that one's turn is over."""
        self._free_at = max(self._free_at, self._env.now) + seconds
        return self._env.timeout(self._free_at - self._env.now)
