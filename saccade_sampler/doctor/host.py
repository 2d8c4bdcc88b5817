"""Facts about this host and the limits of this process."""

import os
import resource
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from saccade_sampler.doctor.control_groups import GroupLimits, group_limits
from sampler.cpus import available_cpus
from sampler.memory.shared_memory import create_shared_memory


@dataclass(frozen=True, slots=True)
class HostFacts:
    """This host, as this process may use it.

    Attributes:
        memory: Bytes of the machine.
        memory_free: Bytes that programs can still get; None if the system does not say.
        address_space: Bytes that a process may map; None for no limit.
        cpus: CPUs that this process may run on.
        groups: Limits of control groups.
        descriptors: Files that this process may open: the soft limit.
        shm_free: Free bytes of /dev/shm; None if the system has none.
        flags: Instruction sets of the CPU; empty if the system does not say.
    """

    memory: int
    memory_free: int | None
    address_space: int | None
    cpus: int
    groups: GroupLimits
    descriptors: int
    shm_free: int | None
    flags: frozenset[str]

    @property
    def memory_left(self) -> int:
        """Bytes that a new process can use."""
        known = (self.memory, self.memory_free, self.groups.memory_left)
        return min(value for value in known if value is not None)


def host_facts(root: Path = Path("/")) -> HostFacts:
    """Return the facts. root: of the files that the system describes itself with."""
    space = resource.getrlimit(resource.RLIMIT_AS)[0]
    return HostFacts(
        memory=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGESIZE"),
        memory_free=_available(root / "proc/meminfo"),
        address_space=None if space == resource.RLIM_INFINITY else space,
        cpus=available_cpus(),
        groups=group_limits(root),
        descriptors=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        shm_free=_free(root / "dev/shm"),
        flags=_flags(root / "proc/cpuinfo"),
    )


def shared_memory_error(count: int) -> OSError | None:
    """Return why this process cannot create `count` bytes of shared memory, as servers and loaders do; None if it can.

    The memory takes no space, because it is not written to.
    """
    try:
        os.close(create_shared_memory(count))
    except OSError as error:
        return error
    return None


def _available(file: Path) -> int | None:
    with suppress(OSError):
        for line in file.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    return None


def _free(folder: Path) -> int | None:
    with suppress(OSError):
        status = os.statvfs(folder)
        return status.f_bavail * status.f_frsize
    return None


def _flags(file: Path) -> frozenset[str]:
    with suppress(OSError):
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(("flags", "Features")):
                return frozenset(line.partition(":")[2].split())
    return frozenset()
