"""Everything that runs: servers with their proxies, trainer; and the record of what the trainer received."""

import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil

from tests.chaos.dataset import ServedFiles
from tests.chaos.host import Host
from tests.chaos.ledger import Ledger
from tests.chaos.oracle import Oracle
from tests.chaos.record import RecordReader
from tests.chaos.timeline import Fault
from tests.chaos.trainer import Run, latest_state, record_file, states_folder
from tests.chaos.trainer_process import TrainerProcess

BATCH_SIZE = 3
LOOK_SECONDS = 0.05

STEPS_AFTER = 15
"""Steps that the trainer must receive to have recovered from a fault."""

RECOVER_SECONDS = 60.0
"""Time for that."""

RETURN_SECONDS = 25.0
"""Longest wait until a server that was harmed is used again."""

BATCH_BYTES = 10_000
"""Fewer bytes than those of a batch, and more than those of other responses."""


class World:
    """One run of servers, proxies and trainer, from step 0 of one seed."""

    def __init__(
        self,
        files: ServedFiles,
        folder: Path,
        seed: int,
        report: Callable[[str], None],
        ended: Callable[[], bool] = lambda: False,
        hosts: int = 1,
    ) -> None:
        """Start nothing yet.

        report: called with a line for each event. ended: returns whether nothing more is to be injected. hosts:
        number of servers that the trainer has.
        """
        self.folder = folder
        self.faults: list[Fault] = []
        self.ledger = Ledger(Oracle(*files.open(), seed, BATCH_SIZE).hash_of)
        self.hosts = [Host(files, folder)] if hosts == 1 else _hosts(files, folder, hosts)
        self.lives = 0
        self._seed = seed
        self._report = report
        self._ended = ended
        self._reader = RecordReader(record_file(folder))
        self._healing: list[tuple[threading.Timer, Callable[[], None]]] = []
        self._trainer: TrainerProcess | None = None

    @property
    def host(self) -> Host:
        """The only host, or the first."""
        return self.hosts[0]

    @property
    def trainer(self) -> TrainerProcess:
        assert self._trainer is not None, "call start() first"
        return self._trainer

    @property
    def failed(self) -> bool:
        """Whether anything was lost, repeated or wrong, or something does not recover."""
        return bool(self.ledger.problems)

    @property
    def over(self) -> bool:
        """Whether nothing more is injected."""
        return self.failed or self._ended()

    def start(self, pause: float) -> None:
        """Start everything. pause: seconds that a training step takes."""
        for host in self.hosts:
            host.proxy.__enter__()
        with ThreadPoolExecutor(len(self.hosts)) as threads:  # at the same time, as on several machines
            list(threads.map(self.start_server, self.hosts))
        self.start_trainer(1, pause)
        self.wait_for_steps(STEPS_AFTER)

    def end(self) -> None:
        """Let the trainer recover, check everything, and end all processes."""
        self.heal()
        self.wait_for_steps(STEPS_AFTER)
        self.trainer.kill()
        self.check(running=False)
        for host in self.hosts:
            host.end()
        shutil.rmtree(states_folder(self.folder), ignore_errors=True)

    def abandon(self) -> None:
        """End all processes that still run, without checks: the run was broken off."""
        for timer, _ in self._healing:
            timer.cancel()
        if self._trainer is not None:
            self._trainer.kill()
        for host in self.hosts:
            host.kill()

    # --- servers and trainer ---

    def start_server(self, host: Host) -> None:
        """Start the server of a host; a violation if it does not become ready."""
        self._require_ready(host.server.start())

    def move_server(self, host: Host) -> None:
        """Replace the server of a host; a violation if it does not become ready."""
        self._require_ready(host.move())

    def _require_ready(self, ready: bool) -> None:
        if not ready:
            self.ledger.problems.append("the server does not become ready")

    def start_trainer(self, world_size: int, pause: float, state: Path | None = None) -> None:
        """Start a life of the trainer at a state."""
        self.lives += 1
        urls = [host.proxy.url for host in self.hosts]
        run = Run(
            urls, str(self.folder), self.lives, self._seed, BATCH_SIZE, world_size, pause,
            None if state is None else str(state),
        )  # fmt: skip
        self.ledger.expect_start(self.lives, run.first_step())
        self._trainer = TrainerProcess(run)

    def resume_trainer(self, world_size: int | None = None, pause: float | None = None) -> None:
        """Start the next life at the state that was saved last, like the life before unless told otherwise."""
        run = self.trainer.run
        self.start_trainer(
            run.world_size if world_size is None else world_size,
            run.pause if pause is None else pause,
            latest_state(self.folder),
        )

    # --- faults ---

    def inject(
        self,
        fault: Fault,
        apply: Callable[[], bool],
        heal: Callable[[], None],
        seconds: float = 0.0,
        settle: bool = True,
    ) -> None:
        """Inject a fault that lasts `seconds`.

        apply: returns whether there was anything to disturb. settle: wait until the trainer has recovered. Otherwise
        the next fault may come while this one lasts.
        """
        if self.over or not apply():
            return
        self.faults.append(fault)
        self._report(f"{fault}{'' if settle else ', without waiting'}")

        once = threading.Lock()

        def end() -> None:
            with once:
                if fault.end is None:
                    heal()
                    fault.over()

        if settle:
            time.sleep(seconds)
            end()
            self.wait_for_steps(STEPS_AFTER)
        else:
            timer = threading.Timer(seconds, end)
            self._healing.append((timer, end))
            timer.start()

    def heal(self) -> None:
        """End all faults that last."""
        for timer, end in self._healing:
            timer.cancel()
            end()
        self._healing.clear()

    def targets(self, name: str, host: Host) -> list[psutil.Process]:
        """Return the processes that run now of server, worker, loader or trainer."""
        if name in ("server", "worker"):
            return host.targets(name)
        if name == "loader":
            return self.trainer.loaders()
        process = self.trainer.process()
        return [] if process is None else [process]

    # --- checks ---

    def check(self, running: bool = True) -> None:
        """Compare what the trainer has received with what it must receive."""
        status = self.trainer.status  # before reading, so that the last line is read
        self.ledger.add(self._reader.new())
        if running and status is not None and not self.failed:
            failure = self.ledger.errors[-1] if self.ledger.errors else None
            reason = f"{failure.error}: {failure.message}" if failure else self.trainer.log[-2000:]
            self.ledger.problems.append(f"the trainer exited with status {status}: {reason}")

    def expect_mismatch(self, seconds: float) -> None:
        """Wait until the trainer ends with a DigestMismatchError; a violation if it does not."""
        status = self.trainer.wait(seconds)
        self.check(running=False)
        errors = [failure.error for failure in self.ledger.errors if failure.life == self.lives]
        if status is None or errors != ["DigestMismatchError"]:
            self.ledger.problems.append(f"another dataset was served, and the trainer: status {status}, {errors}")

    def wait_for_steps(self, count: int) -> None:
        """Wait until the trainer has received so many more steps; a violation if it takes too long."""
        wanted = self.ledger.received + count
        deadline = time.monotonic() + RECOVER_SECONDS
        while self.ledger.received < wanted and not self.failed:
            time.sleep(LOOK_SECONDS)
            self.check()
            if time.monotonic() > deadline:
                self.ledger.problems.append(f"the trainer received nothing for {RECOVER_SECONDS:g} s")

    def train_for(self, seconds: float) -> None:
        """Let the trainer go on for so long."""
        self._wait(lambda: False, seconds)

    def wait_for_servers(self) -> None:
        """Wait until all servers are ready; a violation if it takes too long. The trainer goes on meanwhile.

        Then wait until it has batches of each again, which it asks for some time after a fault.
        """
        if not self._wait(lambda: all(host.server.is_ready() for host in self.hosts), RECOVER_SECONDS):
            self._require_ready(False)
        before = [host.proxy.forwarded for host in self.hosts]
        self._wait(
            lambda: all(h.proxy.forwarded > b + BATCH_BYTES for h, b in zip(self.hosts, before, strict=True)),
            RETURN_SECONDS,
        )

    def _wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until a condition holds or something is wrong; return whether it holds."""
        deadline = time.monotonic() + seconds
        while not (holds := condition()) and not self.failed and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
            self.check()
        return holds or self.failed


def _hosts(files: ServedFiles, folder: Path, count: int) -> list[Host]:
    """Return hosts with one worker each, so that several fit on one machine."""
    return [Host(files.of_host(number), folder, f"server {number}", workers=1) for number in range(count)]


def resume(process: psutil.Process) -> None:
    """Let a stopped process go on, if it is still there."""
    with suppress(psutil.NoSuchProcess):
        process.resume()
