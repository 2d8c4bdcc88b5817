"""The machine that was measured on, in words."""

from datetime import date

from sampler.cpus import describe_host


def machine() -> str:
    """Return CPU model, number of CPUs and version of Python."""
    return describe_host()


def measured(title: str) -> str:
    """Return a sentence with today's date. title: source of the images, and the machine."""
    return f"Measured {date.today()} {title}."
