"""What the trainer notes: one JSON line for each start, batch and error.

A line is one write, so that it survives the death of the trainer, which comes at any moment.
"""

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a record.

    time: of `time.monotonic`, which all processes of a machine share.
    """

    life: int  # number of the trainer's process
    time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(Entry):
    """A trainer has loaded its state, and goes on at a step."""

    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Received(Entry):
    """The batches of all ranks of a step have arrived."""

    step: int
    sha: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Entry):
    """The trainer ends with an error."""

    error: str
    message: str


KINDS: dict[str, type[Entry]] = {kind.__name__: kind for kind in (Started, Received, Failed)}


class RecordWriter:
    """Appends entries to a record."""

    def __init__(self, file: Path, life: int) -> None:
        self._descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._life = life

    def started(self, step: int) -> None:
        self._write(Started(life=self._life, time=time.monotonic(), step=step))

    def received(self, step: int, sha: str) -> None:
        self._write(Received(life=self._life, time=time.monotonic(), step=step, sha=sha))

    def failed(self, error: Exception) -> None:
        kind = type(error).__name__
        self._write(Failed(life=self._life, time=time.monotonic(), error=kind, message=str(error)))

    def _write(self, entry: Entry) -> None:
        os.write(self._descriptor, json.dumps({"kind": type(entry).__name__, **asdict(entry)}).encode() + b"\n")


class RecordReader:
    """Reads a record that grows."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._place = 0

    def new(self) -> list[Entry]:
        """Return the entries that were written since the last call."""
        if not self._file.exists():
            return []
        with self._file.open("rb") as stream:
            stream.seek(self._place)
            written = stream.read()
        complete = written[: written.rfind(b"\n") + 1]
        self._place += len(complete)
        return [_entry(line) for line in complete.splitlines()]


def _entry(line: bytes) -> Entry:
    values = json.loads(line)
    return KINDS[values.pop("kind")](**values)
