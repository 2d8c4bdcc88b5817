"""A server in its own process, and its CPU time."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.material import Material
from client.commands.tour_server import own_server


@dataclass(frozen=True, slots=True)
class MeasuredServer:
    """A running server: its address and its process."""

    url: str
    process: psutil.Process

    def cpu_seconds(self) -> float:
        """Return what server and workers have used so far; a worker that ended is not counted."""
        return sum(sum(one.cpu_times()[:2]) for one in (self.process, *self.process.children()))


@contextmanager
def server(source: Material, log_file: Path, **settings: object) -> Iterator[MeasuredServer]:
    """A server of a dataset that is ready, ended with the block. settings: SAMPLER_ variables in lower case."""
    own = source.environment() | {f"SAMPLER_{name.upper()}": str(value) for name, value in settings.items()}
    with own_server(log_file, lambda _: None, own) as running:
        yield MeasuredServer(running.url, psutil.Process(running.pid))
