"""Measuring functions in turn."""

import time
from collections.abc import Callable, Sequence


def each_run(
    functions: Sequence[Callable[[int], object]],
    count: int,
    runs: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> list[list[float]]:
    """Return for each function the time of a call in each run, in ms.

    The functions take turns, so that a machine that slows down slows all of them. The first turn, with 0 … count−1,
    warms up. Each run then continues with the next `count` numbers, the same for all functions: samples that are made
    from such a number have other crops in each run.

    clock: returns seconds; `time.process_time` counts CPU time.
    """
    taken: list[list[float]] = [[] for _ in functions]
    for run in range(runs + 1):
        numbers = range(run * count, (run + 1) * count)
        for function, times in zip(functions, taken, strict=True):
            began = clock()
            for number in numbers:
                function(number)
            if run:
                times.append((clock() - began) * 1000 / count)
    return taken
