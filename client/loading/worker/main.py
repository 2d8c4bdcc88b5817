"""The process that a loader receives and renders in: `python -m client.loading.worker.main FD`.

It reads a job from a socket, and then fills the slots of shared memory that it is told to, one batch after another,
outside of the trainer's interpreter and its lock. When the trainer goes away, however it does, the socket ends, or this
process gets another parent: then it ends too.
"""

import os
import queue
import signal
import socket
import sys
import threading
import time
import traceback
from contextlib import closing, suppress
from typing import Any

import numpy as np

from client.batches.batch import PackedBatch
from client.errors import ClientError
from client.loading.job import LoaderJob
from client.loading.messages import (
    SLOT,
    Inbox,
    PackedBoxes,
    Token,
    batch_frame,
    error_frame,
    pack_origin,
)
from client.loading.settings import require_digest
from client.loading.slots import SharedSlots, SlotForm
from sampler.array_table import Arrays
from sampler.kernels.interface import PLAIN, fastest_kernels

PARENT_SECONDS = 2.0
"""How often to look whether the trainer is still there: a fork of it may hold the socket open."""

GRACE_SECONDS = 0.5
"""Time to end in good order once the trainer is gone."""


def fill_compact(packed: PackedBatch, out: Arrays) -> PackedBoxes:
    """Copy a batch's crops and colour matrices into `out`, and return its boxes."""
    batch = packed.compact()
    out["crop"][...], out["colour"][...] = batch.crops, batch.colours
    return PackedBoxes(batch.boxes.tobytes(), batch.objects.tobytes(), batch.starts.tobytes())


def serve(job: LoaderJob, channel: socket.socket, grants: "queue.SimpleQueue[int | None]") -> None:
    """Send a token for each batch of the job, in step order, each in a slot that was granted; None ends it."""
    kernels = fastest_kernels() if job.render else PLAIN  # what compiles takes a second to import
    with job.settings.client() as client:
        spec = client.spec()
        require_digest(job.digest, spec, job.settings.url, "at first contact")
        make = SlotForm.dense if job.render else SlotForm.compact
        form = make(spec.config, spec.categories, job.settings.request.shard.count)
        slots = SharedSlots(job.descriptor, job.count, form.size)
        with closing(client.packed_stream(job.settings.request)) as batches:
            for packed in batches:
                slot = grants.get()
                if slot is None:
                    return
                out = form.arrays(np.frombuffer(slots.slot(slot), np.uint8))
                boxes = None
                if job.render:
                    packed.render(out, kernels)
                else:
                    boxes = fill_compact(packed, out)
                channel.sendall(batch_frame(_token(packed, slot, boxes)))


def _token(packed: PackedBatch, slot: int, boxes: PackedBoxes | None) -> Token:
    samples, header = packed.wire.samples, packed.wire.header
    assert header.step is not None, "a batch of a stream has a step"
    untagged = [sample.untagged for sample in samples]
    return Token(slot, header.step, header.digest, untagged, pack_origin(samples), boxes)


class Listener(threading.Thread):
    """Takes the slots that are granted, and ends the process once the trainer is gone."""

    def __init__(self, inbox: Inbox) -> None:
        """Listen at the socket's inbox, which is nobody else's from now on."""
        super().__init__(daemon=True)
        self.grants: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._inbox = inbox
        self._parent = os.getppid()

    def run(self) -> None:
        """Listen until there is nobody to listen to."""
        while (slot := self._next()) is not None:
            self.grants.put(slot)
        self.grants.put(None)
        time.sleep(GRACE_SECONDS)
        os._exit(0)  # in the middle of receiving or rendering, which nobody waits for any more

    def _next(self) -> int | None:
        while not self._inbox.ready(PARENT_SECONDS):
            if os.getppid() != self._parent:
                return None
        word = self._inbox.take(SLOT.size)
        return None if word is None else int(SLOT.unpack(word)[0])


def _failure(error: Exception) -> ClientError:
    if isinstance(error, ClientError):
        return error
    # A fault of ours: its place in the code is what helps.
    print(f"loader: {''.join(traceback.format_exception(error))}", file=sys.stderr, flush=True)
    said: Any = " ".join(str(error).split())
    return ClientError(f"the loader's process failed: {type(error).__name__}: {said}")


def main(descriptor: int) -> None:
    """Serve the socket that the trainer passed on as a file descriptor."""
    # Ctrl-C and a scheduler's stop reach the whole process group; the trainer decides when its loader ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with socket.socket(fileno=descriptor) as channel:
        inbox = Inbox(channel)
        body = inbox.frame()
        if body is None:
            return
        job = LoaderJob.decode(body)
        listener = Listener(inbox)
        listener.start()
        try:
            serve(job, channel, listener.grants)
        except ConnectionError:
            return  # of this socket: the trainer is gone, and nobody to tell; the client's own come as ClientError
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised in the trainer
            with suppress(ConnectionError):  # of a trainer that is gone by now
                channel.sendall(error_frame(_failure(error)))


if __name__ == "__main__":
    main(int(sys.argv[1]))
