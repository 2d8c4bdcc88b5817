"""Processes that tests start."""

import os


def unmeasured_environment() -> dict[str, str]:
    """The environment without coverage measurement, for processes that may not or cannot write its files."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
