"""Hosts and needs for tests of checks."""

from dataclasses import replace
from typing import Any

from saccade_sampler.doctor.control_groups import GroupLimits
from saccade_sampler.doctor.host import HostFacts
from saccade_sampler.doctor.needs import ServerNeeds

GB = 1_000_000_000

HOST = HostFacts(
    memory=64 * GB, memory_free=32 * GB, address_space=None, cpus=8, groups=GroupLimits(), descriptors=1024,
    shm_free=8 * GB, flags=frozenset({"avx2"}),
)  # fmt: skip
NEEDS = ServerNeeds(workers=8, arena=2 * GB, image_cache=4 * GB, warm=GB // 2)


def host(**facts: Any) -> HostFacts:
    """Return a good host with other facts."""
    return replace(HOST, **facts)
