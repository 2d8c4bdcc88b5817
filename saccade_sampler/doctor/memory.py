"""Checks of memory and shared memory."""

import errno

from saccade_sampler.doctor.finding import Finding, ok, problem, size, skipped, warning
from saccade_sampler.doctor.host import HostFacts
from saccade_sampler.doctor.needs import ServerNeeds
from sampler.system_errors import cause, remedy

MEMORY = "memory"
ADDRESS_SPACE = "address space"
SHARED_MEMORY = "shared memory"
LOADER_MEMORY = "memory of a loader"
DEV_SHM = "/dev/shm"

LIBRARIES = 1 << 30
"""Address space of a process for its program and libraries, generously."""

_SMALLER = "set smaller SAMPLER_BUFFER_MB, SAMPLER_DECODED_CACHE_MB or SAMPLER_WORKERS"


def check_memory(host: HostFacts, needs: ServerNeeds) -> Finding:
    """Check that the memory that is left is enough for a server."""
    group = "" if host.groups.memory is None else f" (the limit of this container or service is {_group(host)})"
    found = f"{size(host.memory_left)} can be used{group}; a server with these settings"
    if host.memory_left < needs.at_start:
        advice = f"free memory, raise the limit, or {_SMALLER}"
        return problem(MEMORY, f"{found} takes {size(needs.at_start)} at its start", advice)
    if host.memory_left < needs.most:
        return warning(MEMORY, f"{found} takes up to {size(needs.most)} under load", f"raise the limit, or {_SMALLER}")
    return ok(MEMORY, f"{found} takes up to {size(needs.most)}")


def check_address_space(host: HostFacts, needs: ServerNeeds) -> Finding:
    """Check that each process of a server may map the shared memory."""
    limit = host.address_space
    if limit is None:
        return ok(ADDRESS_SPACE, "not limited")
    found = f"a process may map {size(limit)}; those of a server map {size(needs.shared)} of shared memory"
    advice = f"raise the limit (ulimit -v), or {_SMALLER}"
    if limit < needs.shared:
        return problem(ADDRESS_SPACE, found, advice)
    if limit < needs.shared + LIBRARIES:
        return warning(ADDRESS_SPACE, f"{found}, and their libraries as well", advice)
    return ok(ADDRESS_SPACE, found)


def check_shared_memory(needs: ServerNeeds, error: OSError | None) -> Finding:
    """Check that the shared memory of a server can be created. error: why not."""
    found = f"{size(needs.shared)} for samples and decoded images"
    if error is None:
        return ok(SHARED_MEMORY, f"{found} can be created; it does not use /dev/shm")
    advice = f"raise the limit (ulimit -f), or {_SMALLER}" if error.errno == errno.EFBIG else remedy(error, _SMALLER)
    return problem(SHARED_MEMORY, f"{found} cannot be created: {cause(error, '')}", advice)


def check_loader_memory(host: HostFacts, slots: int, slot_bytes: int, batch: int) -> Finding:
    """Check that a loader's slots fit into memory.

    Args:
        host: This host.
        slots: How many a loop uses that keeps no batch.
        slot_bytes: Bytes of each.
        batch: Samples of a batch.
    """
    need = slots * slot_bytes
    found = (
        f"{size(host.memory_left)} can be used; a loader of {batch} rendered samples a batch takes {size(need)} "
        f"({slots} slots)"
    )
    if host.memory_left < need:
        advice = 'raise the limit of memory, use smaller batches or ahead=1, or render on the GPU (device="cuda")'
        return warning(LOADER_MEMORY, found, advice)
    return ok(LOADER_MEMORY, found)


def check_dev_shm(host: HostFacts, slot_bytes: int, batch: int) -> Finding:
    """Check that workers of PyTorch's DataLoader can pass batches on, for which they use /dev/shm."""
    if host.shm_free is None:
        return skipped(DEV_SHM, "this system has none")
    need = 2 * slot_bytes
    found = (
        f"{size(host.shm_free)} free; workers of PyTorch's DataLoader pass batches through it, {size(slot_bytes)} for "
        f"{batch} rendered samples"
    )
    if host.shm_free >= need:
        return ok(DEV_SHM, found)
    return warning(DEV_SHM, found, "make it larger (docker run --shm-size=8g), or use the loader without DataLoader")


def _group(host: HostFacts) -> str:
    return size(host.groups.memory or 0)
