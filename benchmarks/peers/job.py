"""What a trainer process is told to measure, and what it reports."""

from dataclasses import dataclass

from benchmarks.material import Material
from benchmarks.peers.routes import RouteName

BATCH = 48
"""Samples that each trainer receives at a time."""
WORKERS = 2


@dataclass(frozen=True, slots=True)
class Window:
    """How long a trainer measures.

    Attributes:
        warm_up: Batches that are taken before.
        seconds: Least duration.
        samples: Least number of samples.
    """

    warm_up: int = 3
    seconds: float = 4.0
    samples: int = 8 * BATCH


@dataclass(frozen=True, slots=True)
class PeerJob:
    """Batches of a peer's loader, for one route after the other."""

    peer: str
    source: Material
    routes: tuple[RouteName, ...]
    window: Window


@dataclass(frozen=True, slots=True)
class OwnJob:
    """Batches of this project's loader.

    Attributes:
        url: Of the server; `server` is its process id.
    """

    url: str
    server: int
    window: Window
    seed: int
    rank: int = 0
    world_size: int = 1


Job = PeerJob | OwnJob


@dataclass(frozen=True, slots=True)
class Measured:
    """What a trainer received in its window.

    Attributes:
        own_cpu: Seconds of CPU time of the trainer and the processes that it started.
        server_cpu: The same of the server; 0 without one.
    """

    samples: int
    seconds: float
    own_cpu: float
    server_cpu: float = 0.0
