"""A throttled process gets its share of a CPU, and all of it afterwards."""

import time

import psutil

from benchmarks.throttle import throttled
from tests.support.processes import start_python

SECONDS = 1.0


def cpu_share(process: psutil.Process) -> float:
    """Return the share of a CPU that a process gets for a while."""
    before = sum(process.cpu_times()[:2])
    time.sleep(SECONDS)
    return (sum(process.cpu_times()[:2]) - before) / SECONDS


def test_a_process_gets_its_share_only_within_the_block() -> None:
    process = psutil.Process(start_python("-c", "while True: pass", coverage=False).pid)
    with throttled([process], 0.1):
        assert cpu_share(process) < 0.2
    assert process.status() != psutil.STATUS_STOPPED
    assert cpu_share(process) > 0.02


def test_a_process_that_ends_within_the_block_is_no_error() -> None:
    process = psutil.Process(start_python("-c", "while True: pass", coverage=False).pid)
    with throttled([process], 0.1):
        process.kill()
        process.wait()
