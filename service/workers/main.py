"""A worker process: `python -m service.workers.main FD`.

It reads jobs from a socket and answers each in turn. It holds the dataset memory-mapped and nothing else that
outlives a job. When the server goes away, however it does, the socket ends and so does the worker.
"""

import json
import signal
import socket
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
from sampler.kernels.compiled.crop import COMPILED, warm_up
from sampler.layouts.convert import lay_out
from sampler.ops.targets import untagged
from sampler.sample.sample import make_sample
from sampler.wire.messages import WireSample, encode_sample
from sampler.wire.spec import config_from_dict
from service.errors.problems import problem_of
from service.explorer.inspection import sample_document
from service.explorer.picture.picture import sample_picture
from service.workers.dataset import worker_dataset
from service.workers.protocol import ANSWER_HEADER, REQUEST_HEADER, Job, Outcome, RunJob, decode_job
from service.workers.run_writer import AttachedArena, RunWriter, practise

STARTING = 0
"""Job number of the message that says a worker has started, or why it cannot."""


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


def serve(channel: socket.socket) -> None:
    """Answer jobs until the other end is gone."""
    header, descriptors, _, _ = socket.recv_fds(channel, REQUEST_HEADER.size, 1)
    with channel.makefile("rb") as requests:
        setup = _body(header, requests.read)
        if setup is None:
            return
        try:
            maker = _maker(setup)
            runs = _run_writer(maker, descriptors, setup["warm_bytes"])
        except Exception as error:  # noqa: BLE001 - whatever it is, the server is told, and says it in its own log
            _send(channel, STARTING, Outcome.FAILED, msgpack.packb(_problem(error)))
            return
        _send(channel, STARTING, Outcome.READY, b"")
        while (message := _body(requests.read(REQUEST_HEADER.size), requests.read)) is not None:
            number, job = decode_job(message)
            try:
                outcome, payload = Outcome.DONE, runs.write(job) if isinstance(job, RunJob) else maker.make(job)
            except Exception as error:  # noqa: BLE001 - one bad sample must not end the worker; the request is told
                outcome, payload = Outcome.FAILED, msgpack.packb(_problem(error))
            _send(channel, number, outcome, payload)


def _run_writer(maker: Maker, descriptors: list[int], warm_bytes: int) -> RunWriter:
    """Return what writes runs to the arena that came with the setup; to none where none came."""
    arena = AttachedArena(descriptors[0]) if descriptors else None
    if arena is not None:
        arena.meet(0, warm_bytes)
    practise(maker.config, maker.dataset.category_count)
    return RunWriter(maker.dataset, maker.config, maker.dataset.category_count, arena, _problem)


def _maker(setup: dict[str, Any]) -> Maker:
    cv2.setNumThreads(1)  # one worker a processor: threads of OpenCV's own would only compete
    warm_up(Path(setup["kernel_cache"]) if setup["kernel_cache"] else None)
    return Maker(worker_dataset(setup), config_from_dict(setup["config"]))


def _problem(error: Exception) -> dict[str, Any]:
    if not isinstance(error, SamplerError):  # a fault of ours: its place in the code is what helps
        print(f"worker: {''.join(traceback.format_exception(error))}", file=sys.stderr, flush=True)
    return problem_of(error)


def _body(header: bytes, read: Callable[[int], bytes]) -> dict[str, Any] | None:
    """Return the message that a header announces, or None when the other end is gone."""
    if len(header) < REQUEST_HEADER.size:
        return None
    (length,) = REQUEST_HEADER.unpack(header)
    body = read(length)
    if len(body) < length:
        return None
    message: dict[str, Any] = msgpack.unpackb(body)
    return message


def _send(channel: socket.socket, number: int, outcome: Outcome, payload: bytes) -> None:
    channel.sendall(ANSWER_HEADER.pack(number, outcome, len(payload)) + payload)


def main(descriptor: int) -> None:
    """Serve the socket that the server passed on as a file descriptor."""
    # Ctrl-C and a service manager's stop reach the whole process group; the server decides when workers end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with socket.socket(fileno=descriptor) as channel:
        try:
            serve(channel)
        except ConnectionError:  # the server went away while an answer was on its way to it
            return


if __name__ == "__main__":
    main(int(sys.argv[1]))
