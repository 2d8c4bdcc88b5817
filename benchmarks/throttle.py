"""Processes that get only a share of a CPU, as on a slower host."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import psutil

PERIOD = 0.1
"""Seconds in which a process runs once: short next to the time that a batch takes."""


@contextmanager
def throttled(processes: Sequence[psutil.Process], share: float) -> Iterator[None]:
    """Stop and resume processes, so that each gets at most this share of a CPU within the block.

    Args:
        processes: each runs in its own part of a period, as far as the shares allow it.
        share: above 0, up to 1.
    """
    over = threading.Event()
    threads = [
        threading.Thread(target=_alternate, args=(process, share, PERIOD * place / len(processes), over), daemon=True)
        for place, process in enumerate(processes)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _alternate(process: psutil.Process, share: float, delay: float, over: threading.Event) -> None:
    """Let a process run for its share of each period. It runs on at the end."""
    begin = time.monotonic() + delay
    with suppress(psutil.NoSuchProcess):  # it has ended
        process.suspend()
        while not over.wait(max(0.0, begin - time.monotonic())):
            process.resume()
            over.wait(share * PERIOD)
            process.suspend()
            begin = max(begin + PERIOD, time.monotonic())
        process.resume()
