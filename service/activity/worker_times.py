"""What the workers' time goes into: computing, waiting for a CPU, and the rest, which is waiting for images."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """Seconds on a CPU, and seconds in which a process could have run but no CPU was free."""

    computing: float = 0.0
    delayed: float = 0.0


def cpu_times(pid: int) -> CpuTimes | None:
    """Return the times of a process's main thread; None if it is gone or the system does not tell."""
    try:
        computing, delayed, _ = Path(f"/proc/{pid}/schedstat").read_bytes().split()
    except (OSError, ValueError):
        return None
    return CpuTimes(int(computing) / 1e9, int(delayed) / 1e9)


class WorkerTimes:
    """The sum over all workers, which never decreases, although workers are replaced."""

    def __init__(self, read: Callable[[int], CpuTimes | None] = cpu_times) -> None:
        self._read = read
        self._before: dict[int, CpuTimes] = {}
        self.computing = 0.0
        self.delayed = 0.0

    def update(self, pids: Iterable[int]) -> None:
        """Add what the workers with these process ids did since the last call."""
        before, self._before = self._before, {}
        for pid in pids:
            now = self._read(pid)
            if now is None:
                continue
            self._before[pid] = now
            known = before.get(pid, now)  # what a worker did before it was ready is not counted
            self.computing += max(0.0, now.computing - known.computing)
            self.delayed += max(0.0, now.delayed - known.delayed)
