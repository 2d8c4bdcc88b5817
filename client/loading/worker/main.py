"""The loader worker: receives batches and renders them into slots of shared memory.

It runs outside of the trainer's process, so that this work does not compete for the trainer's interpreter lock.
"""

import os
import queue
import sys
import threading
import time
import traceback
from contextlib import closing
from typing import Any

import numpy as np

from client.batches.packed import PackedBatch
from client.errors import ClientError
from client.loading.job import LoaderJob
from client.loading.messages import (
    SLOT,
    PackedBoxes,
    Token,
    encode_error,
    encode_token,
    pack_origin,
)
from client.loading.settings import require_digest
from client.loading.slots import SharedSlots, SlotForm
from sampler.arrays import Arrays
from sampler.ipc.child_process import run_child
from sampler.ipc.frames import FrameSocket
from sampler.kernels.reference import NUMPY
from sampler.kernels.selection import fastest_kernels

GRACE_SECONDS = 0.5
"""Time to end in good order once the trainer is gone."""


def fill_compact(packed: PackedBatch, out: Arrays) -> PackedBoxes:
    """Copy a batch's crops and colour matrices into `out`, and return its boxes."""
    batch = packed.compact()
    out["crop"][...], out["colour"][...] = batch.crops, batch.colours
    return PackedBoxes(batch.boxes.tobytes(), batch.objects.tobytes(), batch.starts.tobytes())


def load(job: LoaderJob, trainer: FrameSocket, grants: "queue.SimpleQueue[int | None]") -> None:
    """Send a token for each batch of the job, in step order, each in a slot that was granted; None ends it."""
    kernels = fastest_kernels() if job.render else NUMPY  # what compiles takes a second to import
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
                trainer.send(encode_token(_token(packed, slot, boxes)))


def _token(packed: PackedBatch, slot: int, boxes: PackedBoxes | None) -> Token:
    samples, header = packed.wire.samples, packed.wire.header
    assert header.step is not None, "a batch of a stream has a step"
    untagged = [sample.untagged for sample in samples]
    return Token(slot, header.step, header.digest, untagged, pack_origin(samples), boxes)


class Listener(threading.Thread):
    """Reads the granted slots from the trainer, and ends the process once the trainer is gone."""

    def __init__(self, trainer: FrameSocket) -> None:
        """Read from `trainer`, which nothing else may read from any more."""
        super().__init__(daemon=True)
        self.grants: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._trainer = trainer

    def run(self) -> None:
        """Read until the trainer is gone."""
        while (message := self._trainer.read()) is not None:
            self.grants.put(SLOT.unpack(message)[0])
        self.grants.put(None)
        time.sleep(GRACE_SECONDS)
        os._exit(0)  # even while a batch is received or rendered: nothing waits for it any more


def _failure(error: Exception) -> ClientError:
    if isinstance(error, ClientError):
        return error
    # A fault of ours: its place in the code is what helps.
    print(f"loader: {''.join(traceback.format_exception(error))}", file=sys.stderr, flush=True)
    said: Any = " ".join(str(error).split())
    return ClientError(f"the loader's process failed: {type(error).__name__}: {said}")


def serve(trainer: FrameSocket) -> None:
    """Load the batches of the job that the trainer sends first."""
    message = trainer.read()
    if message is None:
        return
    job = LoaderJob.decode(message)
    listener = Listener(trainer)
    listener.start()
    try:
        load(job, trainer, listener.grants)
    except ConnectionError:
        raise  # of the socket to the trainer; those of the client are ClientErrors
    except Exception as error:  # noqa: BLE001 - raised again in the trainer
        trainer.send(encode_error(_failure(error)))


if __name__ == "__main__":
    run_child(serve)
