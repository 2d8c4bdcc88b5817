"""CPU time and memory of a server's processes, from Linux's /proc."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from saccade_sampler.planning.demand import PlanError
from saccade_sampler.planning.measurement import Memory

PROC = Path("/proc")
UTIME, STIME, PPID = 11, 12, 1
"""Fields of `/proc/PID/stat`, counted from the one after the name of the program."""


class CpuSeconds(NamedTuple):
    """CPU time of the server's process, and of all its workers."""

    server: float
    workers: float


@dataclass(frozen=True, slots=True)
class ServerProcesses:
    """A server and its workers. pid: of the server. workers: their process ids."""

    pid: int
    workers: tuple[int, ...]

    @classmethod
    def of(cls, pid: int) -> "ServerProcesses":
        """Return the processes of a server that is ready."""
        return cls(pid, tuple(_children(pid)))

    def cpu_seconds(self) -> CpuSeconds:
        """Return the CPU time that they have used so far. Raises PlanError if one of them has ended."""
        return CpuSeconds(_cpu_seconds(self.pid), sum(map(_cpu_seconds, self.workers)))

    def memory(self) -> Memory:
        """Return what they hold now; of several workers, the most. Raises PlanError if one of them has ended."""
        held = {pid: _resident(pid) for pid in (self.pid, *self.workers)}
        return Memory(
            server=held[self.pid]["RssAnon"],
            worker=max(held[pid]["RssAnon"] for pid in self.workers),
            code=max(one["RssFile"] for one in held.values()),
        )


def require_proc() -> None:
    """Raise PlanError on a system whose processes cannot be measured."""
    if not (PROC / "self" / "stat").exists():
        raise PlanError(
            "measuring needs Linux, which tells the CPU time and memory of processes in /proc; measure on a Linux host "
            "with --save FILE and plan here with --from FILE"
        )


def _children(parent: int) -> Iterator[int]:
    for folder in PROC.iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            fields = _stat(int(folder.name))
        except PlanError:  # a process of another program, which has ended since
            continue
        if int(fields[PPID]) == parent:
            yield int(folder.name)


def _cpu_seconds(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[UTIME]) + int(fields[STIME])) / os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    # The name of the program, in brackets, may have blanks and brackets.
    return _read(pid, "stat").rpartition(")")[2].split()


def _resident(pid: int) -> dict[str, int]:
    """Return bytes of resident memory by kind."""
    lines = (line.partition(":") for line in _read(pid, "status").splitlines())
    return {name: int(value.split()[0]) << 10 for name, _, value in lines if name.startswith("Rss")}


def _read(pid: int, name: str) -> str:
    try:
        return (PROC / str(pid) / name).read_text(errors="replace")
    except OSError as error:
        raise PlanError(f"process {pid} has ended while it was measured; see the log of the server") from error
