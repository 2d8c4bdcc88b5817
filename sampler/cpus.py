"""Number of CPUs."""

import os


def available_cpus() -> int:
    """Return how many CPUs this process may use, or how many the machine has if the system cannot tell."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
