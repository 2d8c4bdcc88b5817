"""The worker process: replies to the server's jobs, one after another.

It holds the memory-mapped dataset and nothing else that outlives a job.
"""

import json
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import msgpack

from sampler.config.schema import SamplerConfig
from sampler.dataset.dataset import Dataset
from sampler.errors import SamplerError
from sampler.ipc.child_process import run_child
from sampler.ipc.frames import FrameSocket
from sampler.kernels.compiled.kernels import COMPILED, warm_up
from sampler.layouts.convert import lay_out
from sampler.ops.targets import untagged
from sampler.sample.sample import make_sample
from sampler.wire.messages import WireSample, encode_sample
from sampler.wire.spec import config_from_dict
from service.errors.problems import problem_of
from service.explorer.inspection import sample_document
from service.explorer.picture.picture import sample_picture
from service.workers.dataset import worker_dataset
from service.workers.protocol import STARTING, Job, Outcome, Reply, RunJob, decode_job
from service.workers.run_writer import AttachedArena, RunWriter, practise


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes what jobs ask for."""

    dataset: Dataset
    config: SamplerConfig

    def make(self, job: Job) -> bytes:
        """Return the bytes a job asks for."""
        makers: dict[str, Callable[[Job], bytes]] = {
            "sample": self._sample,
            "document": self._document,
            "picture": self._picture,
        }
        return makers[job.kind](job)

    def _document(self, job: Job) -> bytes:
        document = sample_document(self.dataset, self.config, job.key, augment=job.augment)
        return json.dumps(document, allow_nan=False).encode()

    def _picture(self, job: Job) -> bytes:
        return sample_picture(self.dataset, self.config, job.key, augment=job.augment)

    def _sample(self, job: Job) -> bytes:
        sample = make_sample(self.dataset, self.config, job.key, augment=job.augment, kernels=COMPILED)
        return encode_sample(
            WireSample(
                position=job.position,
                key=job.key,
                recipe=sample.recipe,
                untagged=untagged(sample.objects, self.config),
                arrays=lay_out(sample, job.layout, self.config, self.dataset.category_count, COMPILED),
            )
        )


def serve(server: FrameSocket) -> None:
    """Reply to jobs until the server is gone."""
    setup = server.read()
    if setup is None:
        return
    try:
        maker, runs = _start(msgpack.unpackb(setup))
    except Exception as error:  # noqa: BLE001 - sent to the server, which logs it
        server.send(Reply(STARTING, Outcome.FAILED, msgpack.packb(_problem(error))).encode())
        return
    server.send(Reply(STARTING, Outcome.READY, b"").encode())
    while (message := server.read()) is not None:
        number, job = decode_job(msgpack.unpackb(message))
        try:
            outcome, payload = Outcome.DONE, runs.write(job) if isinstance(job, RunJob) else maker.make(job)
        except Exception as error:  # noqa: BLE001 - sent to the server; one bad sample must not end the worker
            outcome, payload = Outcome.FAILED, msgpack.packb(_problem(error))
        server.send(Reply(number, outcome, payload).encode())


def _start(setup: dict[str, Any]) -> tuple[Maker, RunWriter]:
    maker = _maker(setup)
    arena = None if setup["arena"] is None else AttachedArena(setup["arena"])
    if arena is not None:
        arena.meet(0, setup["warm_bytes"])
    practise(maker.config, maker.dataset.category_count)
    return maker, RunWriter(maker.dataset, maker.config, maker.dataset.category_count, arena, _problem)


def _maker(setup: dict[str, Any]) -> Maker:
    cv2.setNumThreads(1)  # one worker a processor: threads of OpenCV's own would only compete
    warm_up(Path(setup["kernel_cache"]) if setup["kernel_cache"] else None)
    return Maker(worker_dataset(setup), config_from_dict(setup["config"], trust_family=True))


def _problem(error: Exception) -> dict[str, Any]:
    if not isinstance(error, SamplerError):  # a fault of ours: its place in the code is what helps
        print(f"worker: {''.join(traceback.format_exception(error))}", file=sys.stderr, flush=True)
    return problem_of(error)


if __name__ == "__main__":
    run_child(serve)
