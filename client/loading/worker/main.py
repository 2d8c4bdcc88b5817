"""The loader worker: receives batches and renders them into slots of shared memory.

It runs outside the trainer's process, so that this work does not compete for the trainer's interpreter lock.
"""

import logging
import os
import pickle
import queue
import sys
import threading
import time
import traceback
from contextlib import closing, suppress

import numpy as np

import client.sync_client  # noqa: F401 - loads what `LoaderSettings.client` needs before the job arrives
from client.batches.box_table import BoxTable
from client.errors import ClientError
from client.loading.messages import PING, PONG, SLOT_NUMBER, FilledSlot, LoaderJob, decode_job, encode
from client.loading.slots import SharedSlots, SlotForm
from client.loading.worker.fleet_reports import FleetReports
from client.loading.worker.log_forwarding import LogForwarding
from client.loading.worker.progress import Progress
from client.protocol.target import FIRST_CONTACT
from sampler.ipc.child_process import run_child
from sampler.ipc.frames import FrameSocket
from sampler.kernels.selection import fastest_kernels
from sampler.printable import indented, printable

GRACE_SECONDS = 0.5
"""Time for a clean exit once the trainer is gone."""


def serve(trainer: FrameSocket) -> None:
    """Load the batches of the job that the trainer sends first."""
    message = trainer.read()
    if message is None:
        return
    job = decode_job(message)
    logging.getLogger("saccade_client.access").setLevel(logging.ERROR)  # the trainer has logged its warning already
    forwarding = LogForwarding(trainer)
    forwarding.install(job.log_levels)
    progress = Progress()
    listener = Listener(trainer, progress, forwarding)
    listener.start()
    try:
        load(job, trainer, listener.granted, progress)
    except ConnectionError:
        raise  # of the socket to the trainer; those of the client are ClientErrors
    except Exception as error:  # noqa: BLE001 - raised again in the trainer
        trainer.send(encode(_as_client_error(error)))


def load(job: LoaderJob, trainer: FrameSocket, granted: "queue.SimpleQueue[int | None]", progress: Progress) -> None:
    """Fill a granted slot with each batch of the job, in step order, and tell the trainer. None ends it."""
    if job.render:
        threading.Thread(target=fastest_kernels, daemon=True).start()  # loads them while the server makes samples
    with job.settings.client() as client:
        spec = client.pinned_spec(job.pins, FIRST_CONTACT)
        form = SlotForm.of(spec, job.settings.request.shard.count, render=job.render)
        slots = SharedSlots(job.descriptor, job.count, form.size)
        reports = FleetReports(client, job.settings.request)
        with closing(client.packed_stream(job.settings.request)) as batches:
            for packed in batches:
                number = granted.get()
                if number is None:
                    return
                out = form.arrays(np.frombuffer(slots.slot(number), np.uint8))
                with progress.rendering(form.batch):
                    if job.render:
                        boxes = packed.render(out, fastest_kernels()).box_table
                    else:
                        compact = packed.compact()
                        out["crop"][...], out["colour"][...] = compact.crops, compact.colours
                        boxes = BoxTable(compact.boxes, compact.objects, compact.starts)
                samples, header = packed.wire.samples, packed.wire.header
                assert header.step is not None, "a batch of a stream has a step"
                untagged = [sample.untagged for sample in samples]
                origin = pickle.dumps((packed.keys, tuple(sample.recipe for sample in samples)))
                fleet = reports.at(header.step)
                filled = FilledSlot(number, header.step, header.digest, untagged, origin, boxes, packed.damaged, fleet)
                trainer.send(encode(filled))


class Listener(threading.Thread):
    """Reads the numbers of granted slots, answers pings, and ends the process once the trainer is gone."""

    def __init__(self, trainer: FrameSocket, progress: Progress, forwarding: LogForwarding) -> None:
        super().__init__(daemon=True)
        self.granted: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._trainer = trainer
        self._progress = progress
        self._forwarding = forwarding

    def run(self) -> None:
        while (message := self._trainer.read()) is not None:
            self._forwarding.allow_more()
            if message == PING and not self._progress.late:
                with suppress(ConnectionError):  # the trainer is gone, which reading finds
                    self._trainer.send(PONG)
            for (number,) in SLOT_NUMBER.iter_unpack(message):
                self.granted.put(number)
        self.granted.put(None)
        time.sleep(GRACE_SECONDS)
        os._exit(0)  # even while a batch is received or rendered: nothing waits for it any more


def _as_client_error(error: Exception) -> ClientError:
    if isinstance(error, ClientError):
        return error
    # A bug of ours: the traceback says where.
    trace = indented("".join(traceback.format_exception(error)))
    print(f"loader worker failed:\n{trace}", file=sys.stderr, flush=True)
    cause = printable(" ".join(str(error).split()))
    return ClientError(f"the loader's process failed: {type(error).__name__}: {cause}")


if __name__ == "__main__":
    run_child(serve)
