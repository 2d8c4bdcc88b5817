"""Trainer processes: started with a job, waited for, and never left behind."""

import os
import pickle
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.job import Job, Measured

TIMEOUT = 240.0
"""Seconds for a whole job. Starting Ray takes half a minute on a busy machine."""


class TrainerError(Exception):
    """A trainer process failed. The text says why."""


@dataclass(frozen=True, slots=True)
class Trainer:
    """A trainer process, the file for what it measures, and the file that has its output."""

    process: "subprocess.Popen[bytes]"
    found: Path
    log: Path

    def result(self) -> list[Measured]:
        """Wait for the process and return what it measured. Raises TrainerError."""
        try:
            status = self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            raise TrainerError(f"not finished after {TIMEOUT:g} s") from None
        if status:
            raise TrainerError(reason(self.log.read_text(errors="replace")) or f"exit status {status}")
        measured: list[Measured] = pickle.loads(self.found.read_bytes())
        return measured


def run(jobs: list[Job], folder: Path) -> list[list[Measured]]:
    """Run trainers at the same time and return what each measured. folder: for their files. Raises TrainerError."""
    trainers: list[Trainer] = []
    try:
        for number, job in enumerate(jobs):
            trainers.append(_start(job, folder / f"trainer-{number}.pickle", folder / f"trainer-{number}.log"))
        return [trainer.result() for trainer in trainers]
    finally:
        for trainer in trainers:
            _end(trainer.process)


def reason(log: str) -> str:
    """Return the line of a process's output that says why it failed: that of the last exception, or the last line."""
    lines = [line for line in log.splitlines() if line.strip()]
    exceptions = [line for line in lines if "Error: " in line and not line[0].isspace()]
    return next(reversed(exceptions or lines), "")


def _start(job: Job, found: Path, log: Path) -> Trainer:
    command = [sys.executable, "-m", "benchmarks.peers.trainer", str(found)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output, start_new_session=True)
    assert process.stdin is not None
    with process.stdin:
        process.stdin.write(pickle.dumps(job))
    return Trainer(process, found, log)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill a trainer that still runs, and the processes that it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
