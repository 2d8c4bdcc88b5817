"""The worker process: does the server's jobs, one after another.

It holds the memory-mapped dataset and nothing else that outlives a job.
"""

import json
import sys
import traceback
from dataclasses import dataclass
from typing import Any, Self

import cv2
import msgpack

from sampler.config.schema import SamplerConfig
from sampler.dataset.dataset import Dataset
from sampler.dataset.images.decoded_store.reader import DecodedStore
from sampler.dataset.images.image_cache import ImageCache
from sampler.dataset.images.open_source import open_source
from sampler.errors import SamplerError, StoreError
from sampler.ipc.child_process import run_child
from sampler.ipc.frames import FrameSocket
from sampler.kernels.compiled.kernels import warm_up as warm_up_kernels
from service.arena import AttachedArena
from service.errors.problems import problem_of
from service.explorer.inspection import sample_document
from service.explorer.picture.picture import sample_picture
from service.workers.protocol import STARTING, InspectionJob, Job, Outcome, Reply, RunJob, WorkerSetup, decode_job
from service.workers.run_writer import RunWriter, warm_up


def serve(server: FrameSocket) -> None:
    """Reply to jobs until the server is gone."""
    setup = server.read()
    if setup is None:
        return
    try:
        worker = Worker.start(WorkerSetup.decode(setup))
    except Exception as error:  # noqa: BLE001 - sent to the server, which logs it
        server.send(Reply(STARTING, Outcome.FAILED, msgpack.packb(_problem(error))).encode())
        return
    server.send(Reply(STARTING, Outcome.READY, b"").encode())
    while (message := server.read()) is not None:
        number, job = decode_job(message)
        try:
            reply = Reply(number, Outcome.DONE, worker.do(job))
        except Exception as error:  # noqa: BLE001 - sent to the server; one bad sample must not end the worker
            reply = Reply(number, Outcome.FAILED, msgpack.packb(_problem(error)))
        server.send(reply.encode())


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker that is ready. runs: None if it has no arena to write runs to."""

    dataset: Dataset
    config: SamplerConfig
    runs: RunWriter | None

    @classmethod
    def start(cls, setup: WorkerSetup) -> Self:
        """Load, compile and open everything that jobs need. Raises `SamplerError`."""
        cv2.setNumThreads(1)  # there is one worker per CPU; OpenCV's own threads would only compete
        warm_up_kernels(setup.kernel_cache)
        dataset = open_dataset(setup)
        warm_up(setup.config, dataset.category_count)
        if setup.arena is None:
            return cls(dataset, setup.config, None)
        arena = AttachedArena(setup.arena)
        arena.populate(0, setup.warm_bytes)
        return cls(dataset, setup.config, RunWriter(dataset, setup.config, dataset.category_count, arena, _problem))

    def do(self, job: Job) -> bytes:
        """Return the payload of the reply to a job."""
        if isinstance(job, RunJob):
            if self.runs is None:
                raise RuntimeError("the worker has no arena to write runs to")
            return self.runs.write(job).encode()
        return self._inspect(job)

    def _inspect(self, job: InspectionJob) -> bytes:
        if job.kind == "picture":
            return sample_picture(self.dataset, self.config, job.key, augment=job.augment)
        document = sample_document(self.dataset, self.config, job.key, augment=job.augment)
        return json.dumps(document, allow_nan=False).encode()


def open_dataset(setup: WorkerSetup) -> Dataset:
    """Return the dataset, with the decoded store or the image cache that the server found. Raises `AnnotationError`.

    If that has disappeared, images are decoded: samples are the same, and stderr, which is the server's, says so.
    """
    dataset = Dataset(setup.index_dir, open_source(setup.images), setup.max_image_pixels)
    store, cache = setup.decoded_store, setup.image_cache
    try:
        return dataset.with_decoded(
            None if store is None else DecodedStore(store, dataset.store_meta),
            None if cache is None else ImageCache(cache),
        )
    except (StoreError, OSError) as error:
        print(f"worker: decoded images are not used: {error}", file=sys.stderr, flush=True)
        return dataset


def _problem(error: Exception) -> dict[str, Any]:
    if not isinstance(error, SamplerError):  # a bug: the stack trace helps
        print(f"worker: {''.join(traceback.format_exception(error))}", file=sys.stderr, flush=True)
    return problem_of(error)


if __name__ == "__main__":
    run_child(serve)
