"""What a training asks for, and what a host has: values that are checked when made."""

import math
from dataclasses import dataclass

from sampler.arrays import LAYOUTS, Layout
from sampler.errors import SamplerError

MAX_RATE = 1e6
"""Steps per second. More are a mistake in the unit."""
MAX_SAMPLES = 1 << 24
"""Samples of a step."""
MAX_PART = 65536
"""Samples of a step that one trainer may receive: the most that SAMPLER_MAX_BATCH can be."""


class PlanError(SamplerError):
    """A plan cannot be made: the input is impossible, the host cannot be measured, or a file has no measurement."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What the trainings ask for.

    Attributes:
        batch_size: Samples of a step, of all trainers of a job together.
        steps_per_second: Of each job.
        trainers: Processes of a job that each receive their part of every step.
        jobs: Trainings with seeds of their own.
        layout: How samples travel.
        store: Whether the servers have a decoded store; entry points otherwise.
        images: Number of images of the dataset; None for that of the measured one.
    """

    batch_size: int
    steps_per_second: float
    trainers: int
    jobs: int
    layout: Layout
    store: bool
    images: int | None

    def __post_init__(self) -> None:
        """Raise PlanError if a value is impossible."""
        _require("--batch-size", self.batch_size, 1, MAX_SAMPLES)
        _require_positive("--steps-per-second", self.steps_per_second, MAX_RATE)
        _require("--trainers", self.trainers, 1, MAX_SAMPLES)
        if self.trainers > self.batch_size:
            raise PlanError(
                f"--trainers {self.trainers}: more than the {self.batch_size} samples of a step (--batch-size), so "
                "some would receive none; use fewer trainers or a larger batch"
            )
        if self.part > MAX_PART:
            raise PlanError(
                f"--batch-size {self.batch_size}: a trainer would receive {self.part:,} samples of a step, but a "
                f"server sends at most {MAX_PART:,} in a batch; use more trainers or a smaller batch"
            )
        _require("--jobs", self.jobs, 1, 10**6)
        if self.images is not None:
            _require("--dataset-images", self.images, 1, 10**12)

    @property
    def part(self) -> int:
        """The most samples of a step that one trainer receives."""
        return -(-self.batch_size // self.trainers)


@dataclass(frozen=True, slots=True)
class Supply:
    """What each CPU host has.

    Attributes:
        cores: CPUs for the server and its workers; None for as many as the measured host has.
        network: Gbit/s.
        headroom: Spare capacity as a share of the need: 0.5 for half as much again.
        spare_hosts: Hosts that may fail without slowing the trainings down.
    """

    cores: int | None
    network: float
    headroom: float
    spare_hosts: int

    def __post_init__(self) -> None:
        """Raise PlanError if a value is impossible."""
        if self.cores is not None:
            _require("--cores", self.cores, 1, 65536)
        _require_positive("--network", self.network, 1e6)
        if not (math.isfinite(self.headroom) and 0 <= self.headroom <= 100):
            raise PlanError(f"--headroom {self.headroom:g}: expected 0 … 100, as a share: 0.5 for half as much again")
        _require("--spare-hosts", self.spare_hosts, 0, 10**6)


def require_layout(name: str) -> Layout:
    """Return a layout by name. Raises PlanError if there is none."""
    for layout in LAYOUTS:
        if layout == name:
            return layout
    raise PlanError(f"--layout {name}: expected one of {', '.join(LAYOUTS)}")


def _require(option: str, value: int, lowest: int, highest: int) -> None:
    if not lowest <= value <= highest:
        raise PlanError(f"{option} {value}: expected {lowest:,} … {highest:,}")


def _require_positive(option: str, value: float, highest: float) -> None:
    if not (math.isfinite(value) and 0 < value <= highest):
        raise PlanError(f"{option} {value:g}: expected more than 0, at most {highest:,.0f}")
