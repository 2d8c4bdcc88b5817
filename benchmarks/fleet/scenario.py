"""What is simulated: the costs of a request, the hosts, the trainers, and what goes wrong."""

import math
from dataclasses import dataclass, replace
from typing import Literal

RUN = 12
"""Most samples of a run from JPEG files: what one worker makes at once."""


@dataclass(frozen=True, slots=True)
class ServiceTimes:
    """What a request costs a server, as measured.

    Attributes:
        request: Seconds of the server's process for a request.
        sending: Seconds of the server's process for a sample.
        making: Mean seconds of a worker for a sample.
        sample_bytes: Size of a sample on the wire.
        ratios: How the time of a run varies: times divided by their mean, as they were measured. Each is as likely as
            the others.
    """

    request: float
    sending: float
    making: float
    sample_bytes: float
    ratios: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        """Raise ValueError if a time is negative, or the ratios change the mean."""
        if min(self.request, self.sending, self.making, self.sample_bytes, *self.ratios) < 0:
            raise ValueError("service times and sizes must not be negative")
        mean = sum(self.ratios) / len(self.ratios)
        if not 0.999 < mean < 1.001:
            raise ValueError(f"the mean of the ratios is {mean:g}, expected 1")

    def capacity(self, workers: int, samples: int) -> float:
        """Return the samples per second that a server makes at most, in requests for `samples` samples."""
        process = self.request / samples + self.sending
        return min(workers / self.making, 1 / process if process else math.inf)


Failure = Literal["hangs", "refuses"]
"""How a server fails. "hangs": it stops sending and answers nothing, as if its network was cut. "refuses": connections
break, and new ones are refused, as if its process had been killed."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Some servers fail for a while.

    Attributes:
        failure: How.
        first: Number of the first of them.
        stop: Number of the first one behind them.
        begins: Seconds from the start.
        ends: When they work again.
    """

    failure: Failure
    first: int
    stop: int
    begins: float
    ends: float


@dataclass(frozen=True, slots=True)
class Stutter:
    """Requests that take longer for no reason of their own, such as slow storage or a busy neighbour.

    Attributes:
        share: Of all runs.
        seconds: What each of them takes in addition.
    """

    share: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Scenario:
    """Jobs that train with the servers of a fleet.

    Attributes:
        servers: Number of servers.
        workers: Of each server. Its process has another core.
        network: Gbit/s of each host.
        jobs: Number of jobs, each with its own seed.
        ranks: Trainers of a job. They begin a step together, as with gradients that are averaged.
        samples: Samples that a trainer receives in a step.
        step_seconds: What a step takes a trainer that waits for nothing.
        steps: Of each job.
        times: What requests cost.
        seed: Of everything that is random.
        prefetching: Whether trainers request steps ahead, as the loader does; otherwise each when it is needed.
        hedging: Whether clients send late requests to a second server.
        stutter: Requests that take longer.
        faults: What goes wrong.
    """

    servers: int
    jobs: int
    ranks: int
    samples: int
    step_seconds: float
    steps: int
    times: ServiceTimes
    workers: int = 7
    network: float = 10.0
    seed: int = 1
    prefetching: bool = True
    hedging: bool = True
    stutter: Stutter = Stutter(0.0, 0.0)
    faults: tuple[Fault, ...] = ()

    @property
    def trainers(self) -> int:
        """Number of trainers."""
        return self.jobs * self.ranks

    @property
    def load(self) -> float:
        """The samples per second that trainers ask for if they wait for nothing, as a share of what servers make."""
        asked = self.trainers * self.samples / self.step_seconds
        return asked / (self.servers * self.times.capacity(self.workers, self.samples))


def at_load(scenario: Scenario, load: float) -> Scenario:
    """Return the scenario with a time of a step at which trainers ask for a share `load` of what servers make."""
    return replace(scenario, step_seconds=scenario.step_seconds * scenario.load / load)
