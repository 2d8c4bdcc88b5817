"""How many processors there are to work with."""

import os


def processors() -> int:
    """Return how many processors this process may use; as many as the machine has, where the system cannot say."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
