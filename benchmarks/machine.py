"""The machine that was measured on, in words."""

import platform
from datetime import date
from pathlib import Path

from sampler.cpus import available_cpus


def machine() -> str:
    """Return CPU model, number of CPUs and version of Python."""
    return f"{_cpu_model()}, {available_cpus()} CPUs, Python {platform.python_version()}"


def measured(title: str) -> str:
    """Return a sentence with today's date. title: source of the images, and the machine."""
    return f"Measured {date.today()} {title}."


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
