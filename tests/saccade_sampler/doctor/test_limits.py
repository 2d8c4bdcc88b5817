"""Memory, CPUs and descriptors of a host against what a server and a loader need."""

import errno
import re
from pathlib import Path

import pytest

from saccade_sampler.doctor.control_groups import GroupLimits, group_limits
from saccade_sampler.doctor.examine_server import server_needs
from saccade_sampler.doctor.finding import Finding
from saccade_sampler.doctor.host import host_facts, shared_memory_error
from saccade_sampler.doctor.memory import (
    check_address_space,
    check_dev_shm,
    check_loader_memory,
    check_memory,
    check_shared_memory,
)
from saccade_sampler.doctor.needs import SERVER_BYTES, WORKER_BYTES
from saccade_sampler.doctor.processes import (
    check_client_descriptors,
    check_cpus,
    check_instructions,
    check_processes,
    check_server_descriptors,
)
from service.settings.server import Settings
from tests.saccade_sampler.doctor.hosts import GB, HOST, NEEDS, host
from tests.support.docs import PAGES
from tests.support.processes import output_of

CHECKS: list[tuple[Finding, str, str]] = [
    (check_memory(HOST, NEEDS), "ok", ""),
    (check_memory(host(memory_free=3 * GB), NEEDS), "warning", "SAMPLER_BUFFER_MB"),
    (check_memory(host(memory_free=GB // 2), NEEDS), "problem", "SAMPLER_WORKERS"),
    (check_memory(host(groups=GroupLimits(memory=2 * GB, memory_left=GB // 2)), NEEDS), "problem", "raise the limit"),
    (check_memory(host(memory_free=None), NEEDS), "ok", ""),
    (check_address_space(HOST, NEEDS), "ok", ""),
    (check_address_space(host(address_space=100 * GB), NEEDS), "ok", ""),
    (check_address_space(host(address_space=6 * GB + 1), NEEDS), "warning", "ulimit -v"),
    (check_address_space(host(address_space=5 * GB), NEEDS), "problem", "ulimit -v"),
    (check_shared_memory(NEEDS, None), "ok", ""),
    (check_shared_memory(NEEDS, OSError(errno.EFBIG, "File too large")), "problem", "ulimit -f"),
    (check_shared_memory(NEEDS, OSError(errno.EINVAL, "Invalid argument")), "problem", "SAMPLER_BUFFER_MB"),
    (check_shared_memory(NEEDS, OSError(errno.EMFILE, "Too many open files")), "problem", "ulimit -n"),
    (check_loader_memory(HOST, 4, GB, 48), "ok", ""),
    (check_loader_memory(host(memory_free=3 * GB), 4, GB, 48), "warning", "smaller batches"),
    (check_dev_shm(HOST, GB, 48), "ok", ""),
    (check_dev_shm(host(shm_free=64 << 20), GB, 48), "warning", "--shm-size"),
    (check_dev_shm(host(shm_free=None), GB, 48), "skipped", ""),
    (check_cpus(HOST, 8), "ok", ""),
    (check_cpus(HOST, 9), "warning", "SAMPLER_WORKERS=8"),
    (check_cpus(host(groups=GroupLimits(cpus=2.5)), 8), "warning", "SAMPLER_WORKERS=2"),
    (check_cpus(host(groups=GroupLimits(cpus=0.5)), 1), "warning", "SAMPLER_WORKERS=1"),
    (check_processes(HOST, 8), "ok", ""),
    (check_processes(host(groups=GroupLimits(processes_left=100)), 8), "ok", ""),
    (check_processes(host(groups=GroupLimits(processes_left=20)), 8), "warning", "--pids-limit"),
    (check_processes(host(groups=GroupLimits(processes_left=8)), 8), "problem", "--pids-limit"),
    (check_instructions(HOST), "ok", ""),
    (check_instructions(host(flags=frozenset({"asimd"}))), "ok", ""),
    (check_instructions(host(flags=frozenset({"sse2"}))), "warning", "CPU"),
    (check_instructions(host(flags=frozenset())), "skipped", ""),
    (check_server_descriptors(1024, 900, ""), "ok", ""),
    (check_server_descriptors(100, 20, ""), "warning", "ulimit -n"),
    (check_server_descriptors(64, None, "this process may open 64 files; raise"), "problem", "ulimit -n"),
    (check_client_descriptors(HOST), "ok", ""),
    (check_client_descriptors(host(descriptors=64)), "warning", "ulimit -n"),
]


@pytest.mark.parametrize(("finding", "status", "remedy"), CHECKS)
def test_each_limit_is_compared_with_the_need(finding: Finding, status: str, remedy: str) -> None:
    assert finding.status == status, finding
    assert remedy in finding.remedy
    assert bool(finding.remedy) == (status in ("warning", "problem"))


def test_the_needs_are_those_of_the_settings() -> None:
    small = server_needs(Settings(workers=2, buffer_mb=64, batch_cache_mb=16, max_requests=1, decoded_cache_mb=10))
    assert small.arena == (64 << 20) + 5_000_000
    assert small.image_cache == 10 << 20
    assert small.at_start == (48 << 20) + 55_000_000 + 2 * 40_000_000
    assert small.most == small.arena + small.image_cache + 55_000_000 + 2 * 40_000_000


def test_the_memory_of_processes_is_that_of_the_documentation() -> None:
    stated = re.search(r"about (\d+) MB for the server and (\d+) MB for each worker", PAGES["docs/serving.md"])
    assert stated is not None
    assert (int(stated[1]) * 1_000_000, int(stated[2]) * 1_000_000) == (SERVER_BYTES, WORKER_BYTES)


def test_this_host_has_memory_and_cpus() -> None:
    facts = host_facts()
    assert facts.cpus >= 1
    assert 0 < facts.memory_left <= facts.memory
    assert facts.descriptors > 2


def test_a_system_that_tells_nothing_is_no_error(tmp_path: Path) -> None:
    facts = host_facts(tmp_path)
    assert facts.groups == GroupLimits()
    assert (facts.memory_free, facts.shm_free, facts.flags) == (None, None, frozenset())


LIMITED = """
import resource
from saccade_sampler.doctor.host import host_facts, shared_memory_error
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
resource.setrlimit(resource.RLIMIT_NOFILE, (77, 77))
error = shared_memory_error(1 << 30)
print(type(error).__name__, error.errno, host_facts().descriptors)
"""


def test_limits_of_the_process_are_found() -> None:
    assert output_of(LIMITED) == f"OSError {errno.EFBIG} 77"
    assert shared_memory_error(1 << 20) is None


def write(root: Path, files: dict[str, object]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{content}\n")
    return root


def test_limits_of_control_groups_are_those_of_all_groups_around(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/service/job",
            "sys/fs/cgroup/service/memory.max": 4 * GB,
            "sys/fs/cgroup/service/memory.current": 3 * GB,
            "sys/fs/cgroup/service/memory.stat": f"anon {GB}\nactive_file {GB // 2}\ninactive_file {3 * GB // 2}",
            "sys/fs/cgroup/service/job/memory.max": "max",
            "sys/fs/cgroup/service/job/cpu.max": "250000 100000",
            "sys/fs/cgroup/service/cpu.max": "max 100000",
            "sys/fs/cgroup/service/job/pids.max": 100,
            "sys/fs/cgroup/service/job/pids.current": 60,
        },
    )
    assert group_limits(root) == GroupLimits(4 * GB, 3 * GB, 2.5, 40)


def test_limits_of_version_1_are_found_in_a_container(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/docker/123\n3:cpu,cpuacct:/docker/123\n2:pids:/docker/123",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": 2 * GB,
            "sys/fs/cgroup/memory/memory.usage_in_bytes": GB,
            "sys/fs/cgroup/memory/memory.stat": f"inactive_file 5\ntotal_active_file 0\ntotal_inactive_file {GB // 2}",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": 50000,
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": 100000,
            "sys/fs/cgroup/pids/pids.max": "max",
        },
    )
    assert group_limits(root) == GroupLimits(2 * GB, 3 * GB // 2, 0.5, None)
    (root / "sys/fs/cgroup/memory/memory.limit_in_bytes").write_text("9223372036854771712\n")
    (root / "sys/fs/cgroup/cpu/cpu.cfs_quota_us").write_text("-1\n")
    assert group_limits(root) == GroupLimits()
