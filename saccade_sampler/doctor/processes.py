"""Checks of CPUs, processes and file descriptors."""

from saccade_sampler.doctor.finding import Finding, ok, problem, skipped, warning
from saccade_sampler.doctor.host import HostFacts

CPU = "CPU"
PROCESSES = "processes"
DESCRIPTORS = "descriptors"
TRAINER_DESCRIPTORS = "descriptors of a trainer"
INSTRUCTIONS = "instruction sets"

THREADS = 8
"""Threads of a worker, and as many of the server, generously."""

CLIENT_DESCRIPTORS = 128
"""Files of a trainer: connections, shared memory and libraries. It is an estimate."""

_RAISE = "raise the limit (ulimit -n, in systemd LimitNOFILE, in Docker --ulimit nofile=…)"


def check_cpus(host: HostFacts, workers: int) -> Finding:
    """Compare the number of workers with that of usable CPUs."""
    quota = host.groups.cpus
    usable = host.cpus if quota is None else min(host.cpus, quota)
    limit = "" if quota is None else f", with a quota of {quota:.4g} CPUs for this container or service"
    found = f"{workers} {_named(workers, 'worker')} for {host.cpus} {_named(host.cpus, 'CPU')}{limit}"
    if workers > usable:
        return warning(CPU, found, f"set SAMPLER_WORKERS={max(1, int(usable))}: more workers only wait for each other")
    return ok(CPU, found)


def check_processes(host: HostFacts, workers: int) -> Finding:
    """Check that the control group allows the processes of a server."""
    left, need = host.groups.processes_left, (workers + 1) * THREADS
    if left is None:
        return ok(PROCESSES, "their number is not limited by a control group")
    found = f"{left} more processes and threads may be started; a server with {workers} workers needs up to {need}"
    if left < workers + 1:
        return problem(PROCESSES, found, "raise the limit (docker run --pids-limit, in systemd TasksMax)")
    if left < need:
        return warning(PROCESSES, found, "raise the limit (docker run --pids-limit, in systemd TasksMax)")
    return ok(PROCESSES, found)


def check_instructions(host: HostFacts) -> Finding:
    """Check for the instruction set that the measured figures were made with."""
    if not host.flags:
        return skipped(INSTRUCTIONS, "this system does not list them")
    if "avx2" in host.flags:
        return ok(INSTRUCTIONS, "the CPU has AVX2")
    if "asimd" in host.flags:
        return ok(INSTRUCTIONS, "the CPU has NEON")
    return warning(INSTRUCTIONS, "the CPU has no AVX2: samples are the same, but take longer", "use a newer CPU")


def check_server_descriptors(limit: int, connections: int | None, error: str) -> Finding:
    """Check that a server has descriptors for workers and connections.

    Args:
        limit: Files that it may open, as far as it can raise the limit itself.
        connections: Connections that it then accepts; None if it does not start.
        error: Why it does not start.
    """
    if connections is None:
        return problem(DESCRIPTORS, error.partition("; ")[0], _RAISE)
    found = f"a server may open {limit} files, which is enough for {connections} connections"
    if connections < 64:
        return warning(DESCRIPTORS, found, _RAISE)
    return ok(DESCRIPTORS, found)


def check_client_descriptors(host: HostFacts) -> Finding:
    """Check that a trainer has descriptors for its loader."""
    found = f"a process may open {host.descriptors} files"
    if host.descriptors < CLIENT_DESCRIPTORS:
        return warning(
            TRAINER_DESCRIPTORS, f"{found}, but a trainer with a loader may need {CLIENT_DESCRIPTORS}", _RAISE
        )
    return ok(TRAINER_DESCRIPTORS, found)


def _named(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"
