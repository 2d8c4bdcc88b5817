"""Limits of Linux control groups, which containers and services run in; versions 1 and 2."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_UNLIMITED = 1 << 60
"""Version 1 says no limit with a number close to 2⁶³."""


FILES = ("active_file", "inactive_file")
"""Statistics of file contents in memory, which the system can drop. Version 1 also has them for all groups within."""


@dataclass(frozen=True, slots=True)
class GroupLimits:
    """What the control groups of this process allow; None for no limit.

    Attributes:
        memory: Bytes that the group may use.
        memory_left: Bytes that are left of it. File contents that the system can drop count as left.
        cpus: CPUs' worth of time.
        processes_left: Processes and threads that can still be started.
    """

    memory: int | None = None
    memory_left: int | None = None
    cpus: float | None = None
    processes_left: int | None = None


def group_limits(root: Path = Path("/")) -> GroupLimits:
    """Return the limits of this process; without any on a system that has no control groups. root: of the files."""
    memory: list[tuple[int, int]] = []  # limit and what is left of it, of each group that has a limit
    cpus: list[float] = []
    processes: list[int] = []
    for folder in _folders(root):
        limit = _number(folder / "memory.max", folder / "memory.limit_in_bytes")
        if limit is not None:
            memory.append((limit, max(0, limit - _used(folder))))
        cpus += _quota(folder)
        most = _number(folder / "pids.max")
        if most is not None:
            processes.append(max(0, most - (_number(folder / "pids.current") or 0)))
    return GroupLimits(
        min((limit for limit, _ in memory), default=None),
        min((left for _, left in memory), default=None),
        min(cpus, default=None),
        min(processes, default=None),
    )


def _folders(root: Path) -> Iterator[Path]:
    """Yield the folders of the groups that this process is in, with those that these are in."""
    mount = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        tops = [mount / name for name in controllers.split(",") if name] or [mount, mount / "unified"]
        for top in filter(Path.is_dir, tops):
            folder = top / path.strip("/")
            # In a container, the path may be that of the host, which is not visible here.
            places = [folder, *folder.parents] if folder.is_dir() else [top]
            yield from (place for place in places if place.is_relative_to(top))


def _used(folder: Path) -> int:
    used = _number(folder / "memory.current", folder / "memory.usage_in_bytes") or 0
    rows = dict(line.partition(" ")[::2] for line in _text(folder / "memory.stat").splitlines())
    names = ("total_active_file", "total_inactive_file") if "total_active_file" in rows else FILES
    return used - sum(int(rows.get(name, 0)) for name in names)


def _quota(folder: Path) -> list[float]:
    words = _text(folder / "cpu.max").split()
    if len(words) == 2 and words[0] != "max":
        return [int(words[0]) / int(words[1])]
    quota, period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
    return [quota / period] if quota and period and quota > 0 else []


def _number(*files: Path) -> int | None:
    """Return the number in the first file that has one that is a limit."""
    for file in files:
        with suppress(ValueError):  # "max", or no such file
            number = int(_text(file))
            if number < _UNLIMITED:
                return number
    return None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
