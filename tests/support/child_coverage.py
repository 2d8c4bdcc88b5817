"""Which tests measure coverage in the processes that they start.

Measuring adds 0.3 s of CPU time to the start of each process, and the suite starts more than a thousand. It is worth it
where the code runs in such processes alone: that of servers and workers, and that of the loader's process.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

MEASURED = ("tests/service/", "tests/client/loading/")
"""Folders whose tests measure it."""

_PREFIX = "COVERAGE_PROCESS_"
"""Of the variables with which coverage is measured in new processes."""


@contextmanager
def measured_as_needed(test: str) -> Iterator[None]:
    """Measure coverage in processes that are started in the block only if this is the id of a measured test."""
    if test.startswith(MEASURED):
        yield
        return
    taken = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(_PREFIX)}
    try:
        yield
    finally:
        os.environ.update(taken)
