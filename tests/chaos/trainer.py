"""The trainer: receives the batches of all ranks, notes each, and saves its state every few steps.

    python -m tests.chaos.trainer RUN.json

It saves its state on SIGTERM, as on a machine that is about to be taken away, and exits. With any error it exits with
status 3.
"""

import json
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import client
from client import Batch, ClientError, Loader
from sampler.arrays import ArrayMap
from sampler.atomic_write import atomic_write
from sampler.stream.keys import SampleKey
from tests.chaos.record import RecordWriter
from tests.chaos.step_hash import step_hash

SAVE_EVERY = 10
"""Steps between two saved states."""

TIMEOUT = 4.0
ATTEMPTS = 40
MAX_WAIT = 1.0


@dataclass(frozen=True, slots=True)
class Run:
    """What one process of the trainer does.

    urls: of the servers. folder: of record and states. pause: seconds that a training step takes. state: file to
    resume from.
    """

    urls: list[str]
    folder: str
    life: int
    seed: int
    batch_size: int
    world_size: int
    pause: float
    state: str | None = None

    def write(self) -> Path:
        file = Path(self.folder, f"run-{self.life}.json")
        file.write_text(json.dumps(asdict(self)))
        return file

    def first_step(self) -> int:
        """Return the step of the state to resume from."""
        return 0 if self.state is None else int(json.loads(Path(self.state).read_text())["step"])

    @property
    def record(self) -> Path:
        return record_file(Path(self.folder))

    @property
    def states(self) -> Path:
        return states_folder(Path(self.folder))


def record_file(folder: Path) -> Path:
    return folder / "record.jsonl"


def states_folder(folder: Path) -> Path:
    return folder / "states"


def latest_state(folder: Path) -> Path | None:
    """Return the file of the state that was saved last."""
    file = states_folder(folder) / "latest"
    return file if file.exists() else None


def samples(batches: Iterable[Batch]) -> Iterator[tuple[SampleKey, ArrayMap]]:
    """Yield the samples of the batches of all ranks."""
    for batch in batches:
        for place, key in enumerate(batch.keys):
            yield key, {name: array[place] for name, array in batch.arrays.items()}


class Preempted(BaseException):
    """The trainer is to save its state and exit."""


class Trainer:
    """Trains on the loaders of all ranks."""

    def __init__(self, run: Run, loaders: Sequence[Loader[Batch]]) -> None:
        self._run = run
        self._loaders = loaders
        self._record = RecordWriter(run.record, run.life)
        self._state = loaders[0].state_dict()

    def train(self) -> None:
        """Train until SIGTERM or an error."""
        try:
            self._train()
        except Preempted:
            self._save()
        except ClientError as error:
            self._record.failed(error)
            raise SystemExit(3) from error

    def _train(self) -> None:
        self._record.started(self._state["step"])
        while True:
            step = self._state["step"]
            batches = [next(loader) for loader in self._loaders]
            if {batch.step for batch in batches} != {step}:
                raise AssertionError(f"step {step}: batches of {[batch.step for batch in batches]}")
            self._record.received(step, step_hash(samples(batches)))
            self._state = self._loaders[0].state_dict()  # of the next step; as it was until then, if a rank fails
            if self._state["step"] % SAVE_EVERY == 0:
                self._save()
            time.sleep(self._run.pause)

    def _save(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        content = json.dumps(self._state).encode()
        for name in (f"{self._state['step']:09}", "latest"):
            atomic_write(self._run.states / name, content)
        signal.signal(signal.SIGTERM, preempt)


def preempt(*_: object) -> None:
    raise Preempted


def open_loader(run: Run, rank: int, state: Mapping[str, Any] | None) -> "Loader[Batch]":
    """Return the loader of one rank, at the step of a state."""
    loader = client.loader(
        run.urls, seed=run.seed, batch_size=run.batch_size, rank=rank, world_size=run.world_size, timeout=TIMEOUT,
        attempts=ATTEMPTS, max_wait=MAX_WAIT, log_every=None,
    )  # fmt: skip
    if state is not None:
        loader.load_state_dict(state)
    return loader


def main(file: Path) -> None:
    """Train as a file describes."""
    run = Run(**json.loads(file.read_text()))
    run.states.mkdir(exist_ok=True)
    state = None if run.state is None else json.loads(Path(run.state).read_text())
    with ExitStack() as stack:
        loaders = [stack.enter_context(open_loader(run, rank, state)) for rank in range(run.world_size)]
        signal.signal(signal.SIGTERM, preempt)
        Trainer(run, loaders).train()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
