"""People who browse a server while a trainer receives batches, in a separate process.

`python -m benchmarks.pages.people URL` is such a process: from one line of its input to the next, three people open
pages, and it prints the times of these as a line of JSON.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from benchmarks.pages.kinds import IMAGES, SAMPLE, STEP
from benchmarks.pages.visitor import Visitor

PEOPLE = 3
LOOK_SECONDS = 3.0
"""Between the last picture of a page and the next page: a person looks at it."""
WALK = (STEP, SAMPLE, SAMPLE, IMAGES, SAMPLE)
"""The pages that a person opens, again and again, each with another number."""
LOWEST_PRIORITY = 19
"""Of a process, in the terms of `nice`."""
APART = 10_000
"""The distance of the numbers of two people, so that no one sees what another has seen."""


class People:
    """The process of the people, at rest until `browsing`."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Take a process that waits for its first line."""
        self._process = process
        self.seconds: list[float] = []

    @contextmanager
    def browsing(self) -> Iterator[None]:
        """Let all of them browse during the block; add the times of their pages to `seconds`."""
        assert self._process.stdout is not None
        self._send_line()
        yield
        self._send_line()
        self.seconds += json.loads(self._process.stdout.readline())

    def _send_line(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()


@contextmanager
def people(url: str) -> Iterator[People]:
    """Start the process of the people. It ends with the block."""
    command = [sys.executable, "-m", "benchmarks.pages.people", url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield People(process)
        assert process.stdin is not None
        process.stdin.close()


def main(url: str) -> None:
    """Browse from one line of input to the next, at the lowest priority: people's browsers run on other machines."""
    os.nice(LOWEST_PRIORITY)
    opened = [0] * PEOPLE
    with ThreadPoolExecutor(PEOPLE) as threads:
        while sys.stdin.readline():
            stopped = threading.Event()
            walks = [threads.submit(_walk, url, person, opened, stopped) for person in range(PEOPLE)]
            sys.stdin.readline()
            stopped.set()
            print(json.dumps([second for walk in walks for second in walk.result()]), flush=True)


def _walk(url: str, person: int, opened: list[int], stopped: threading.Event) -> list[float]:
    """Open pages until `stopped`; return the seconds that each took. opened: how many each person has opened so far."""
    seconds = []
    with Visitor(url) as visitor:
        while not stopped.is_set():
            kind = WALK[opened[person] % len(WALK)]
            seconds.append(visitor.seconds(kind.path(APART * person + opened[person])))
            opened[person] += 1
            stopped.wait(LOOK_SECONDS)
    return seconds


if __name__ == "__main__":
    main(sys.argv[1])
