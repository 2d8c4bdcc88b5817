"""Running the inputs of a target in child processes, and collecting what became of them."""

import json
import queue
import signal
import struct
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fuzz.child import NUMBER, rng_of
from tests.fuzz.registry import build_target
from tests.support.processes import start_python

PER_PROCESS = 20_000
"""Inputs that one process runs at most."""

_MEMORY = Path("/dev/shm")
"""A file system in memory: targets write files for each input."""

_SILENT_SECONDS = 600.0
"""A process that reports nothing for so long hangs without using the CPU. At its start it may compile the kernels."""

_MOST_FAILURES = 20
"""A target with so many failing inputs is given up."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that has none of the allowed outcomes."""

    target: str
    number: int
    kind: str
    text: str


@dataclass(slots=True)
class Outcome:
    """What became of the inputs of a target.

    Attributes:
        slowest: CPU time (seconds) of the slowest input, and its number.
        memory_mb: Most memory that a process took beyond that at its start.
    """

    target: str
    inputs: int = 0
    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    slowest: tuple[float, int] = (0.0, -1)
    memory_mb: float = 0.0

    def add(self, report: dict[str, Any]) -> None:
        """Add a line of a process."""
        self.inputs += report["done"]
        self.accepted += report["accepted"]
        self.refused.update(report["refused"])
        self.failures += [Failure(self.target, **failure) for failure in report["failures"]]
        self.slowest = max(self.slowest, tuple(report["slowest"]))
        self.memory_mb = max(self.memory_mb, report["memory_mb"])


def run_target(
    name: str, seed: int, first: int, stop: int, seconds: float, progress: Callable[[int], None] | None = None
) -> Outcome:
    """Run the inputs [first, stop) of a target.

    Args:
        name: Name of the target.
        seed: Chooses the inputs, with the target's name and their numbers.
        first: Number of the first input.
        stop: Number after the last input.
        seconds: CPU time that an input may take.
        progress: Called with the number of inputs so far.
    """
    outcome, at, skipped = Outcome(name), first, list[int]()
    while at < stop and len(outcome.failures) < _MOST_FAILURES:
        with _scratch_folder() as folder:
            end = min(at + PER_PROCESS, stop)
            process = _Process(name, seed, at, end, seconds, skipped, Path(folder))
            while (report := process.next_report()) is not None:
                at = report.pop("stop")
                outcome.add(report)
                if progress is not None:
                    progress(outcome.inputs)
            if at < end:
                failure = process.failure(name)
                outcome.failures.append(failure)
                if failure.number < at:
                    break  # it cannot start, so no other would
                skipped.append(failure.number)
                outcome.inputs += 1
    return outcome


def input_of(name: str, seed: int, number: int) -> bytes:
    """Return an input again."""
    with _scratch_folder() as folder:
        return build_target(name, Path(folder)).make(rng_of(name, seed, number))


def _scratch_folder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="fuzz-", dir=_MEMORY if _MEMORY.is_dir() else None)


class _Process:
    """A child process and its reports."""

    def __init__(
        self, name: str, seed: int, first: int, stop: int, seconds: float, skipped: list[int], folder: Path
    ) -> None:
        (folder / NUMBER).write_bytes(struct.pack("<q", -1))
        self._folder = folder
        self._errors = folder / "stderr"
        arguments = (name, seed, first, stop, seconds, folder, *skipped)
        with self._errors.open("wb") as errors:
            # Coverage would make the process slow and large.
            self._child = start_python("-m", "tests.fuzz.child", *arguments, coverage=False, stderr=errors)
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def next_report(self) -> dict[str, Any] | None:
        """Return the next report; None if there are no more because the process has ended or was killed."""
        try:
            line = self._lines.get(timeout=_SILENT_SECONDS)
        except queue.Empty:
            self._child.kill()
            line = None
        if line is not None:
            report: dict[str, Any] = json.loads(line)
            return report
        self._child.wait()
        self._thread.join()
        assert self._child.stdout is not None
        self._child.stdout.close()
        return None

    def failure(self, name: str) -> Failure:
        """Return the failure of a process that ended before its last input."""
        number = struct.unpack("<q", (self._folder / NUMBER).read_bytes())[0]
        status = self._child.returncode
        text = self._errors.read_text(errors="replace")[-4000:]
        if status >= 0:
            return Failure(name, number, f"status {status}", text)
        kind = {signal.SIGPROF: "hang", signal.SIGKILL: "hang without CPU time"}.get(signal.Signals(-status))
        return Failure(name, number, kind or signal.Signals(-status).name, text)
