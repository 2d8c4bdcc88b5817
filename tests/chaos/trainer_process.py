"""The trainer's process, as the machine sees it."""

import subprocess
from contextlib import suppress
from pathlib import Path

import psutil

from tests.chaos.trainer import Run
from tests.support.processes import start_python

PREEMPT_SECONDS = 10.0
"""Time that a trainer has to save its state."""


class TrainerProcess:
    """One life of the trainer."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._log_file = Path(run.folder, "trainer.log")
        with self._log_file.open("ab") as log:
            arguments = ["-m", "tests.chaos.trainer", run.write()]
            self._process: subprocess.Popen[str] = start_python(*arguments, coverage=False, stdout=log, stderr=log)

    @property
    def log(self) -> str:
        """What all lives wrote to stdout and stderr."""
        return self._log_file.read_text()

    @property
    def status(self) -> int | None:
        """The exit status; None while it runs."""
        return self._process.poll()

    def process(self) -> psutil.Process | None:
        """Return the process, if it runs."""
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self._process.pid) if self.status is None else None
        return None

    def loaders(self) -> list[psutil.Process]:
        """Return the processes of the loaders."""
        found = []
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self._process.pid).children():
                with suppress(psutil.NoSuchProcess):  # it has just ended
                    if "client.loading.worker.main" in " ".join(child.cmdline()):
                        found.append(child)
        return found

    def kill(self) -> None:
        """Kill it, and its loaders if they do not notice."""
        self._process.kill()
        self._process.wait()

    def preempt(self) -> None:
        """Have it save its state and exit; kill it if it takes too long."""
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(PREEMPT_SECONDS)
        self.kill()

    def wait(self, seconds: float) -> int | None:
        """Return its exit status; None if it still runs after `seconds`."""
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(seconds)
        return None
