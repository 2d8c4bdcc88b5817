"""The process that runs inputs of one target. A crash ends this process only, and its parent knows the input.

    python -m tests.fuzz.child TARGET SEED FIRST STOP SECONDS FOLDER SKIPPED…

Before each input, its number is written into `FOLDER/number`, which survives the process. A line of JSON follows on
stdout for every few inputs: what became of them.
"""

import json
import mmap
import os
import resource
import signal
import struct
import sys
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz.registry import build_target
from tests.fuzz.target import Target

REPORT_EVERY = 200
"""Inputs per line on stdout."""

NUMBER = "number"
_ROOM_MB = 1024
"""Memory (MB) that a single allocation may ask for before it fails."""

_STATUS = Path("/proc/self/status")
_BYTES_PER_KB = 1024


def rng_of(target: str, seed: int, number: int) -> Random:
    """Return the random numbers of an input."""
    return Random(f"{seed}/{target}/{number}")


class Inputs:
    """Runs inputs and collects what becomes of them."""

    def __init__(self, name: str, target: Target, seconds: float) -> None:
        self._name, self._target, self._seconds = name, target, seconds
        self._stderr = os.memfd_create("stderr") if hasattr(os, "memfd_create") else None
        if self._stderr is not None:
            os.dup2(self._stderr, 2)
        self._memory_at_start = self._memory = _peak_memory()
        self.reset()

    def reset(self) -> None:
        """Forget the inputs so far."""
        self.done = 0
        self.accepted = 0
        self.refused: Counter[str] = Counter()
        self.failures: list[dict[str, Any]] = []
        self.slowest = (0.0, -1)

    def run(self, number: int, data: bytes) -> None:
        """Run an input. The process is killed by SIGPROF if it takes more CPU time than allowed."""
        start = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, self._seconds)
        try:
            self._target.run(data)
            self.accepted += 1
        except self._target.refusals as error:
            self.refused[type(error).__name__] += 1
        except (Exception, Warning) as error:  # noqa: BLE001 - whatever it is, it is not documented
            self._fail(number, type(error).__name__, "".join(traceback.format_exception(error)[-6:]))
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        self.done += 1
        self.slowest = max(self.slowest, (time.process_time() - start, number))
        self._check_memory(number)
        self._check_stderr(number)

    def report(self) -> dict[str, Any]:
        """Return what became of the inputs since the last report."""
        found = {
            "done": self.done, "accepted": self.accepted, "refused": self.refused, "failures": self.failures,
            "slowest": self.slowest, "memory_mb": (self._memory - self._memory_at_start) / 1024,
        }  # fmt: skip
        self.reset()
        return found

    def _check_memory(self, number: int) -> None:
        peak = _peak_memory()
        if peak > self._memory and (peak - self._memory_at_start) / 1024 > self._target.memory_mb:
            grown = (peak - self._memory) // 1024
            self._fail(number, "memory", f"{grown} MB more than before; {self._target.memory_mb} MB are allowed in all")
        self._memory = max(self._memory, peak)

    def _check_stderr(self, number: int) -> None:
        if self._stderr is None or not os.fstat(self._stderr).st_size:
            return
        text = os.pread(self._stderr, 4000, 0).decode(errors="replace")
        os.truncate(self._stderr, 0)
        os.lseek(self._stderr, 0, os.SEEK_SET)
        self._fail(number, "stderr", text)

    def _fail(self, number: int, kind: str, text: str) -> None:
        self.failures.append({"number": number, "kind": kind, "text": text})


def _peak_memory() -> int:
    """Return the most memory that this process ever had, in kB."""
    if not _STATUS.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // _BYTES_PER_KB
    # Linux's `ru_maxrss` begins with the memory of the parent.
    return int(_STATUS.read_bytes().partition(b"VmHWM:")[2].split(maxsplit=1)[0])


def _limit_memory() -> None:
    """Let a huge allocation fail with a MemoryError, where the system supports it."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        now = int(statm.read_text().split()[0]) * mmap.PAGESIZE
        resource.setrlimit(resource.RLIMIT_AS, (now + (_ROOM_MB << 20), resource.RLIM_INFINITY))


def main(arguments: list[str]) -> None:
    """Run the inputs."""
    name, seed, first, stop, seconds, folder, *skipped = arguments
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    scratch = Path(folder)
    target = build_target(name, scratch)
    warnings.simplefilter("error")
    report = os.fdopen(os.dup(1), "w")
    with (scratch / NUMBER).open("r+b") as file:
        place = mmap.mmap(file.fileno(), 8)
    _limit_memory()
    inputs = Inputs(name, target, float(seconds))
    for number in range(int(first), int(stop)):
        if str(number) not in skipped:
            place[:] = struct.pack("<q", number)
            inputs.run(number, target.make(rng_of(name, int(seed), number)))
        if inputs.done == REPORT_EVERY or number == int(stop) - 1:
            print(json.dumps({"stop": number + 1, **inputs.report()}), file=report, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
