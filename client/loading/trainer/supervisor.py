"""The batches of the loader worker: each once and in order, even if the worker dies or hangs.

At any time, each slot is in one of three states: granted to the worker, which fills it; held by the trainer, as long as
a view of it lives; or free. A slot that the trainer releases becomes free. For each batch that is taken, one free slot
is granted, so that the worker always has `ahead` of them.
"""

import errno
import logging
import os
import weakref
from collections import deque
from contextlib import suppress
from functools import partial

import numpy as np
from numpy.typing import NDArray

from client.errors import ClientError
from client.loading.messages import PING, PONG, SLOT_NUMBER, FilledSlot, LoaderJob, LogLine, decode_result, encode
from client.loading.settings import LoaderSettings
from client.loading.slots import SharedSlots
from client.loading.trainer import liveness
from client.loading.trainer.statistics import StatisticsRecorder
from client.protocol.requests import StreamRequest
from client.protocol.target import Pins
from sampler.ipc.child_process import ChildProcess
from sampler.ipc.frames import FrameSocket
from sampler.memory.buffer_pool import borrow
from sampler.memory.shared_memory import create_shared_memory

log = logging.getLogger("saccade_client")

PROGRAM = "client.loading.worker.main"
"""The program of the loader worker."""

FORWARDED = ("saccade_client", "saccade_sampler")
"""The loggers of the worker whose lines the trainer writes."""

MAX_HELD = 4
"""Slots that the trainer may hold at once. A training loop holds one, and two while it asks for the next batch."""

MAX_DEATHS = 3
"""Attempts at one batch: how often in a row the worker may die, or hang, without sending it."""

END_SECONDS = 1.0
"""Time for the worker to exit once its socket is closed, before it is killed."""


class EarlyWorker:
    """A loader worker that imports its libraries while the trainer still asks the server for its spec.

    The slots get their size later: the worker inherits empty shared memory. The caller that takes over the process or
    the descriptor sets it to None here.
    """

    def __init__(self) -> None:
        self.process: ChildProcess | None = None
        self.descriptor: int | None = None

    def start(self) -> None:
        """Start the process. If there is none to be had, do nothing: `SlotSource` tries again, and says why."""
        with suppress(OSError):
            self.descriptor = create_shared_memory(0)
            self.process = ChildProcess(PROGRAM, [self.descriptor])
            self.process.start()
            return
        self.close()

    def close(self) -> None:
        """End the process and release the memory, unless they were taken away. May be called again."""
        process, self.process = self.process, None
        descriptor, self.descriptor = self.descriptor, None
        try:
            if process is not None:
                process.end(0)
        finally:
            if descriptor is not None:
                os.close(descriptor)


class SlotSource:
    """The batches of one stream, from a loader worker that is restarted when it dies or hangs."""

    def __init__(
        self,
        settings: LoaderSettings,
        pins: Pins,
        recorder: StatisticsRecorder,
        early: EarlyWorker | None = None,
        *,
        render: bool,
        slot_bytes: int,
    ) -> None:
        """Allocate the slots. Raises `ClientError` if there is no memory for them.

        early: the worker to use first; it is taken over.
        """
        self._recorder = recorder
        self._settings = settings
        self._pins = pins
        self._render = render
        self._early = early or EarlyWorker()
        try:
            self.slots = _make_slots(settings.ahead, slot_bytes, self._early)
        except BaseException:
            self._early.close()
            raise
        self._free: deque[int] = deque(range(self.slots.count))
        self._granted: set[int] = set()
        self._due: StreamRequest | None = None if settings.request.empty else settings.request
        self._worker: ChildProcess | None = None
        self._frames: FrameSocket
        self._liveness: liveness.Liveness
        self._deaths = 0

    @property
    def worker_pid(self) -> int | None:
        return None if self._worker is None else self._worker.pid

    def start(self) -> None:
        """Start the worker, unless it runs or no batch is due. After any exception, call `close`."""
        if self._due is not None and self._worker is None:
            self._start_worker(self._due)

    def next(self) -> tuple[FilledSlot, NDArray[np.uint8]] | None:
        """Wait for the next batch; None after the last one. After a `ClientError`, the same step is next again.

        The second value is the slot's memory, (n,) uint8. It is not written to as long as a view of it lives.
        """
        if self._due is None:
            return None
        filled = self._receive(self._due)
        self._due = self._due.after_next()
        memory = self._take(filled.slot)
        if self._worker is not None:
            self._grant()
        if self._due is None:
            self._end_worker()
        return filled, memory

    def close(self) -> None:
        """End the worker and release the memory, which is freed with the last view of it. May be called again."""
        self._due = None
        self._early.close()
        self._end_worker()
        self.slots.close()

    def _receive(self, due: StreamRequest) -> FilledSlot:
        while True:
            try:
                if self._worker is None:
                    self._start_worker(due)
                filled = self._read()
                if filled is not None and filled.step != due.start:
                    raise ClientError(f"the loader's process sent step {filled.step}: expected step {due.start}")
            except BaseException:
                self._end_worker()
                raise
            if filled is not None:
                self._deaths = 0
                return filled
            self._record_death(due)

    def _read(self) -> FilledSlot | None:
        """Return the next batch; None if the worker is gone or hangs. Raises the error that the worker sends."""
        self._liveness.begin()
        while (message := self._frames.read()) is not None:
            result = None if message == PONG else decode_result(message)
            if isinstance(result, LogLine):  # no sign of life: another thread may have logged it
                logging.getLogger(result.logger).log(result.level, result.text)
                continue
            self._liveness.heard()
            if result is not None:
                return result
        return None

    def _start_worker(self, due: StreamRequest) -> None:
        settings, slots = self._settings.at(due.start), self.slots
        token = None if settings.token is None else settings.token.reveal()
        levels = {name: logging.getLogger(name).getEffectiveLevel() for name in FORWARDED}
        job = LoaderJob(settings, self._pins, self._render, slots.descriptor, slots.count, token, levels)
        try:
            self._worker, self._early.process = self._early.process, None
            if self._worker is None:
                self._worker = ChildProcess(PROGRAM, [job.descriptor])
                self._worker.start()
            # A weak reference: a cycle would keep the slots until the garbage collector runs.
            self._liveness = liveness.Liveness(partial(_ping, weakref.ref(self)))
            self._frames = self._worker.frames(self._liveness.check, liveness.RESPONSE_SECONDS)
            self._send(encode(job))
        except OSError as error:
            self._end_worker()
            raise ClientError(f"the loader's process did not start: {error.strerror or error}") from error
        self._recorder.begin_worker()
        self._grant(self._settings.ahead)

    def _record_death(self, due: StreamRequest) -> None:
        if self._liveness.lost and self._worker is not None:
            self._worker.kill()  # it would not exit by itself
            end, advice = f"did not respond for {self._liveness.limit:.0f} s", "is the machine short of memory or CPUs?"
            self._end_worker()
        else:
            end, advice = f"exited with status {self._end_worker()}", "see its output on stderr"
        self._deaths += 1
        message = f"the loader's process {end} before step {due.start}"
        if self._deaths >= MAX_DEATHS:
            deaths, self._deaths = self._deaths, 0
            raise ClientError(f"{message}, {deaths} times in a row; {advice}")
        self._recorder.add(restarts=1)
        log.warning("%s: restarting it", message)

    def _take(self, number: int) -> NDArray[np.uint8]:
        self._granted.discard(number)
        held = self.slots.count - len(self._granted) - len(self._free)  # this one included
        memory = self.slots.slot(number)
        if held <= MAX_HELD:
            # Refers to the deque only: a batch that outlives its loader keeps nothing else of it but the memory.
            # Appending takes no lock, so it may happen in any thread at any time.
            return borrow(memory, partial(self._free.append, number))
        if not self._recorder.statistics.copies:
            log.warning("the last %d batches are still in use: later ones are copied until some are dropped", MAX_HELD)
        self._recorder.add(copies=1)
        copy = np.frombuffer(memory, np.uint8).copy()
        self._free.append(number)
        return copy

    def _grant(self, count: int = 1) -> None:
        numbers = [self._free.pop() for _ in range(count)]  # those released last, whose pages exist and are warm
        self._granted.update(numbers)
        self._send(b"".join(map(SLOT_NUMBER.pack, numbers)))

    def _send(self, message: bytes) -> None:
        try:
            self._frames.send(message)
        except ConnectionError:
            pass  # the worker is gone, which `_receive` finds
        except TimeoutError:  # it has stopped reading, and may have got a part of the message
            self._liveness.give_up()
            if self._worker is not None:
                self._worker.kill()

    def _end_worker(self) -> int | None:
        """Stop the worker and return its exit status (−signal if killed). Does not stop it in a fork."""
        worker, self._worker = self._worker, None
        if worker is None:
            return None
        status = worker.end(END_SECONDS)
        self._free.extend(self._granted)
        self._granted.clear()
        return status


def _ping(source: "weakref.ref[SlotSource]") -> None:
    """Ask the worker of a source for a message."""
    alive = source()
    if alive is not None:
        alive._send(PING)


def _make_slots(ahead: int, slot_bytes: int, early: EarlyWorker) -> SharedSlots:
    count = ahead + MAX_HELD
    descriptor, early.descriptor = early.descriptor, None
    try:
        return SharedSlots.create(count, slot_bytes, descriptor)
    except OSError as error:
        need = f"{count} slots of {slot_bytes / 1e6:.1f} MB, {count * slot_bytes / 1e6:.1f} MB in all"
        # If descriptors ran out, less memory would not help: one is all that is needed.
        out_of_files = error.errno in (errno.EMFILE, errno.ENFILE)
        advice = "fewer open files" if out_of_files else f"fewer samples a batch, or a smaller `ahead` than {ahead}"
        cause = error.strerror or error
        raise ClientError(f"no shared memory for the loader ({need}): {cause}: expected {advice}") from error
