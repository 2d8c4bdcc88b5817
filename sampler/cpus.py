"""The CPUs of this host: how many, and which."""

import os
import platform
from pathlib import Path


def available_cpus() -> int:
    """Return how many CPUs this process may use, or how many the machine has if the system cannot tell."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe_host() -> str:
    """Return CPU model, number of CPUs and version of Python."""
    return f"{_cpu_model()}, {available_cpus()} CPUs, Python {platform.python_version()}"


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
