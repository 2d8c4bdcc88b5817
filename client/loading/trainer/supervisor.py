"""The batches of the loader worker: each once and in order, even if the worker dies.

At any time, each slot is in one of three states: granted to the worker, which fills it; held by the trainer, as long as
a view of it lives; or free. A slot that the trainer releases becomes free. For each batch that is taken, one free slot
is granted, so that the worker always has `ahead` of them.
"""

import errno
import logging
import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from client.errors import ClientError
from client.loading.messages import SLOT_NUMBER, FilledSlot, LoaderJob
from client.loading.settings import LoaderSettings
from client.loading.slots import SharedSlots
from client.protocol.requests import StreamRequest
from sampler.ipc.child_process import ChildProcess
from sampler.memory.buffer_pool import borrow

log = logging.getLogger("saccade_client")

MAX_HELD = 4
"""Slots that the trainer may hold at once. A training loop holds one, and two while it asks for the next batch."""

MAX_DEATHS = 3
"""Attempts at one batch: how often in a row the worker may die without sending it."""

END_SECONDS = 1.0
"""Time for the worker to exit once its socket is closed, before it is killed."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A filled slot and its memory, which is not written to as long as a view of it lives. memory: (n,) uint8."""

    filled: FilledSlot
    memory: NDArray[np.uint8]


class SlotSource:
    """The batches of one stream, from a loader worker that is restarted when it dies.

    copies: batches that were copied, because the trainer held as many slots as it may. restarts: how often the worker
    died and was replaced.
    """

    def __init__(self, settings: LoaderSettings, digest: str, *, render: bool, slot_bytes: int) -> None:
        """Allocate the slots. Raises `ClientError` if there is no memory for them."""
        self._settings = settings
        self._digest = digest
        self._render = render
        self._owner = os.getpid()
        self.slots = _make_slots(settings.ahead, slot_bytes)
        self._free: deque[int] = deque(range(self.slots.count))
        self._granted: set[int] = set()
        self._due: StreamRequest | None = None if settings.request.empty else settings.request
        self._worker: LoaderWorker | None = None
        self._deaths = 0
        self.copies = 0
        self.restarts = 0

    @property
    def worker_pid(self) -> int | None:
        """The process id of the worker, if it runs."""
        return None if self._worker is None else self._worker.pid

    def start(self) -> None:
        """Start the worker, unless it runs or no batch is due. Raises `ClientError`."""
        if self._due is not None:
            self._worker_for(self._due)

    def next(self) -> Delivered | None:
        """Wait for the next batch; None after the last one. After a `ClientError`, the same step is next again."""
        if os.getpid() != self._owner:
            raise ClientError(f"this loader belongs to process {self._owner}: after a fork, make a new one")
        if self._due is None:
            return None
        filled = self._receive(self._due)
        self._due = self._due.after_next()
        memory = self._take(filled.slot)
        if self._worker is not None:
            self._grant(self._worker)
        if self._due is None:
            self._end_worker()
        return Delivered(filled, memory)

    def close(self) -> None:
        """End the worker and release the memory, which is freed with the last view of it. May be called again."""
        self._due = None
        self._end_worker()
        self.slots.close()

    def _receive(self, due: StreamRequest) -> FilledSlot:
        while True:
            try:
                filled = self._worker_for(due).receive()
                if filled is not None and filled.step != due.start:
                    raise ClientError(f"the loader's process sent step {filled.step}: expected step {due.start}")
            except BaseException:
                self._end_worker()
                raise
            if filled is not None:
                self._deaths = 0
                return filled
            self._record_death(due)

    def _worker_for(self, due: StreamRequest) -> "LoaderWorker":
        """Return the worker; start one for the batches due if none runs."""
        if self._worker is None:
            settings, slots = self._settings.at(due.start), self.slots
            self._worker = LoaderWorker(LoaderJob(settings, self._digest, self._render, slots.descriptor, slots.count))
            for _ in range(self._settings.ahead):
                self._grant(self._worker)
        return self._worker

    def _record_death(self, due: StreamRequest) -> None:
        status = self._end_worker()
        self._deaths += 1
        message = f"the loader's process exited with status {status} before step {due.start}"
        if self._deaths >= MAX_DEATHS:
            deaths, self._deaths = self._deaths, 0
            raise ClientError(f"{message}, {deaths} times in a row; see its output on stderr")
        self.restarts += 1
        log.warning("%s: restarting it", message)

    def _take(self, number: int) -> NDArray[np.uint8]:
        self._granted.discard(number)
        held = self.slots.count - len(self._granted) - len(self._free)  # this one included
        memory = self.slots.slot(number)
        if held <= MAX_HELD:
            return borrow(memory, _release(self._free, number))
        if not self.copies:
            log.warning("the last %d batches are still in use: later ones are copied until some are dropped", MAX_HELD)
        self.copies += 1
        copy = np.frombuffer(memory, np.uint8).copy()
        self._free.append(number)
        return copy

    def _grant(self, worker: "LoaderWorker") -> None:
        number = self._free.pop()  # the one released last, whose pages exist and are warm
        self._granted.add(number)
        worker.grant(number)

    def _end_worker(self) -> int | None:
        worker, self._worker = self._worker, None
        if worker is None:
            return None
        status = worker.end()
        self._free.extend(self._granted)
        self._granted.clear()
        return status


class LoaderWorker:
    """A running loader worker and the connection to it."""

    def __init__(self, job: LoaderJob) -> None:
        """Start a loader worker. Raises `ClientError` if there is no descriptor, memory or process for it."""
        try:
            self._child = ChildProcess("client.loading.worker.main", [job.descriptor])
        except OSError as error:
            raise _not_started(error) from error
        try:
            self._child.start()
            self._frames = self._child.frames()
            self._send(job.encode())
        except OSError as error:
            self._child.end(0)
            raise _not_started(error) from error
        except BaseException:  # such as an interrupt: the caller has no reference to the process yet
            self._child.end(0)
            raise

    @property
    def pid(self) -> int:
        """The process id."""
        return self._child.pid

    def grant(self, number: int) -> None:
        """Let the worker fill a slot."""
        self._send(SLOT_NUMBER.pack(number))

    def receive(self) -> FilledSlot | None:
        """Wait for the next batch; None if the worker is gone.

        Raises the `ClientError` that the worker met. After any exception, also an interrupt, only `end` may be called.
        """
        message = self._frames.read()
        return None if message is None else FilledSlot.decode(message)

    def end(self) -> int | None:
        """Stop the worker and return its exit status (−signal if killed). Does nothing in a fork."""
        return self._child.end(END_SECONDS)

    def _send(self, message: bytes) -> None:
        with suppress(ConnectionError):  # the worker is gone, which `receive` reports
            self._frames.send(message)


def _not_started(error: OSError) -> ClientError:
    return ClientError(f"the loader's process did not start: {error.strerror or error}")


def _make_slots(ahead: int, slot_bytes: int) -> SharedSlots:
    count = ahead + MAX_HELD
    try:
        return SharedSlots.create(count, slot_bytes)
    except OSError as error:
        need = f"{count} slots of {slot_bytes / 1e6:.1f} MB, {count * slot_bytes / 1e6:.1f} MB in all"
        # If descriptors ran out, less memory would not help: one is all that is needed.
        out_of_files = error.errno in (errno.EMFILE, errno.ENFILE)
        advice = "fewer open files" if out_of_files else f"fewer samples a batch, or a smaller `ahead` than {ahead}"
        cause = error.strerror or error
        raise ClientError(f"no shared memory for the loader ({need}): {cause}: expected {advice}") from error


def _release(free: "deque[int]", number: int) -> Callable[[], None]:
    # It refers to the deque only: a batch that outlives its loader keeps nothing else of it but the memory. Appending
    # takes no lock, so it may happen in any thread at any time.
    def release() -> None:
        free.append(number)

    return release
