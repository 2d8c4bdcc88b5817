"""A trainer whose memory is measured, in a separate process.

`python -m benchmarks.memory.trainer URL` prints a line when it has imported the client, loads dense batches from the
first line of its input to the second, and ends with its input.
"""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

import saccade_sampler

BATCH = 48
END_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Trainer:
    """A trainer that has imported the client."""

    process: psutil.Process
    _child: "subprocess.Popen[str]"

    def go_on(self) -> None:
        """Start or stop taking batches. The loader stays open."""
        assert self._child.stdin is not None
        self._child.stdin.write("\n")
        self._child.stdin.flush()


@contextmanager
def trainer(url: str) -> Iterator[Trainer]:
    """A trainer of the server at `url`, ended with the block."""
    command = [sys.executable, "-m", "benchmarks.memory.trainer", url]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdout.readline()
        yield Trainer(psutil.Process(child.pid), child)
        child.stdin.close()
        child.wait(END_SECONDS)


def main(url: str) -> None:
    """Load batches from one line of input to the next."""
    print("ready", flush=True)
    sys.stdin.readline()
    stopped = threading.Event()
    threading.Thread(target=_stop_at_next_line, args=(stopped,), daemon=True).start()
    with saccade_sampler.loader(url, seed=1, batch_size=BATCH) as batches:
        for _ in batches:
            if stopped.is_set():
                break
        sys.stdin.read()


def _stop_at_next_line(stopped: threading.Event) -> None:
    sys.stdin.readline()
    stopped.set()


if __name__ == "__main__":
    main(sys.argv[1])
