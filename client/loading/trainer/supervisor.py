"""Batches of a loader's process, each once and in order, whatever happens to the process.

Every slot is at any time in one of three hands: granted to the process, which fills it; held by the trainer, as long
as a view of it lives; or free. What the trainer lets go of becomes free by itself, and free slots are granted one for
each batch that is taken, so that `ahead` are always the process's.
"""

import errno
import logging
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from client.errors import ClientError
from client.loading.job import LoaderJob
from client.loading.messages import Token
from client.loading.settings import LoaderSettings
from client.loading.slots import SharedSlots
from client.loading.trainer.process import LoaderProcess
from client.protocol.requests import StreamRequest
from sampler.memory.buffer_pool import borrow

log = logging.getLogger("saccade_client")

HELD = 4
"""Slots that the trainer may hold at once; a training loop holds one, and two while it asks for the next."""

ATTEMPTS = 3
"""How often in a row the process may die without giving a batch."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A batch in memory that nobody else writes to as long as a view of it lives. slot: (n,) uint8."""

    token: Token
    slot: NDArray[np.uint8]


class SlotSource:
    """The batches of one stream, from the process of `settings` and in the slots of its memory.

    copies: batches that were handed out as copies, since the trainer holds as many slots as it may. restarts: how
    often the process died and was replaced.
    """

    def __init__(self, settings: LoaderSettings, digest: str, *, render: bool, slot_bytes: int) -> None:
        """Start nothing yet. Raises `ClientError` where there is no memory."""
        self._settings = settings
        self._digest = digest
        self._render = render
        self._owner = os.getpid()
        self.slots = _slots(settings.ahead, slot_bytes)
        self._free: deque[int] = deque(range(self.slots.count))
        self._granted: set[int] = set()
        self._due: StreamRequest | None = None if settings.request.empty else settings.request
        self._child: LoaderProcess | None = None
        self._deaths = 0
        self.copies = 0
        self.restarts = 0

    @property
    def child_pid(self) -> int | None:
        """The id of the process, if one runs."""
        return None if self._child is None else self._child.pid

    def start(self) -> None:
        """Start the process, if there is anything left to receive and none runs. Raises `ClientError`."""
        if self._due is not None:
            self._child_for(self._due)

    def next(self) -> Delivered | None:
        """Wait for the next batch; None after the last one. Raises `ClientError`; then the same step is next again."""
        if os.getpid() != self._owner:
            raise ClientError(f"this loader belongs to process {self._owner}: after a fork, make a new one")
        if self._due is None:
            return None
        token = self._token(self._due)
        self._due = self._due.after_next()
        slot = self._take(token.slot)
        if self._child is not None:
            self._grant(self._child)
        if self._due is None:
            self._end()
        return Delivered(token, slot)

    def close(self) -> None:
        """End the process and let go of the memory, which goes when the last view of it does. May be called again."""
        self._due = None
        self._end()
        self.slots.close()

    def _token(self, due: StreamRequest) -> Token:
        while True:
            try:
                token = self._child_for(due).receive()
                if token is not None and token.step != due.start:
                    raise ClientError(f"the loader's process sent step {token.step}: expected step {due.start}")
            except BaseException:
                self._end()
                raise
            if token is not None:
                self._deaths = 0
                return token
            self._buried(due)

    def _child_for(self, due: StreamRequest) -> LoaderProcess:
        """Return the process that runs; if none does, start one for what is due."""
        if self._child is None:
            settings, slots = self._settings.at(due.start), self.slots
            self._child = LoaderProcess(LoaderJob(settings, self._digest, self._render, slots.descriptor, slots.count))
            for _ in range(self._settings.ahead):
                self._grant(self._child)
        return self._child

    def _buried(self, due: StreamRequest) -> None:
        status = self._end()
        self._deaths += 1
        what = f"the loader's process ended with status {status} before step {due.start}"
        if self._deaths >= ATTEMPTS:
            deaths, self._deaths = self._deaths, 0
            raise ClientError(f"{what}, {deaths} times in a row: expected a batch")
        self.restarts += 1
        log.warning("%s: starting another", what)

    def _take(self, number: int) -> NDArray[np.uint8]:
        self._granted.discard(number)
        held = self.slots.count - len(self._granted) - len(self._free)  # this one included
        memory = self.slots.slot(number)
        if held <= HELD:
            return borrow(memory, _returning(self._free, number))
        if not self.copies:
            log.warning("the last %d batches are still in use: further ones are copied until some are let go", HELD)
        self.copies += 1
        copy = np.frombuffer(memory, np.uint8).copy()
        self._free.append(number)
        return copy

    def _grant(self, child: LoaderProcess) -> None:
        number = self._free.pop()  # the one given back last: its pages are there, and warm
        self._granted.add(number)
        child.grant(number)

    def _end(self) -> int | None:
        child, self._child = self._child, None
        if child is None:
            return None
        status = child.end()
        self._free.extend(self._granted)
        self._granted.clear()
        return status


def _slots(ahead: int, slot_bytes: int) -> SharedSlots:
    count = ahead + HELD
    try:
        return SharedSlots.create(count, slot_bytes)
    except OSError as error:
        need = f"{count} slots of {slot_bytes / 1e6:.1f} MB, {count * slot_bytes / 1e6:.1f} MB in all"
        # One descriptor is all that is asked for beside the memory; where none is left, less memory would not help.
        out_of_files = error.errno in (errno.EMFILE, errno.ENFILE)
        wanted = "fewer open files" if out_of_files else f"fewer samples a batch, or a smaller `ahead` than {ahead}"
        said = error.strerror or error
        raise ClientError(f"no shared memory for the loader ({need}): {said}: expected {wanted}") from error


def _returning(free: "deque[int]", number: int) -> Callable[[], None]:
    # Of nothing but the deque: a batch that outlives its loader keeps no more of it than the memory. Appending takes no
    # lock, so it may happen in any thread and in the middle of anything.
    def give_back() -> None:
        free.append(number)

    return give_back
