"""The server's end of one worker process."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import msgpack

from sampler.config.schema import SamplerConfig
from sampler.ipc.child_process import ChildProcess
from sampler.ipc.frames import AsyncFrameSocket
from service.errors.problems import ServiceError
from service.workers.protocol import Outcome, Reply

START_SECONDS = 60.0
"""Time for a worker to import its libraries and open the dataset."""

END_SECONDS = 2.0
"""Time for a worker to end by itself once its socket is closed, before it is killed."""


@dataclass(frozen=True, slots=True)
class WorkerSetup:
    """What a worker needs to start. kernel_cache: folder for compiled code where none else can be written.

    decoded_store: folder of the decoded store, if there is one. pixel_cache: address of the cache of decoded images.
    warm_bytes: of the arena, to be met before the worker is ready.
    """

    index_dir: Path
    images: Path
    config: SamplerConfig
    max_image_pixels: int
    kernel_cache: Path | None = None
    decoded_store: Path | None = None
    pixel_cache: str | None = None
    warm_bytes: int = 0

    def encode(self, arena: int | None) -> bytes:
        """Return the first message for a worker. arena: descriptor of the arena, which the worker inherits."""
        packed: bytes = msgpack.packb(
            {
                "arena": arena,
                "index_dir": str(self.index_dir),
                "images": str(self.images),
                "config": self.config.as_dict(),
                "max_image_pixels": self.max_image_pixels,
                "kernel_cache": None if self.kernel_cache is None else str(self.kernel_cache),
                "decoded_store": None if self.decoded_store is None else str(self.decoded_store),
                "pixel_cache": self.pixel_cache,
                "warm_bytes": self.warm_bytes,
            }
        )
        return packed


class WorkerProcess:
    """A running worker and the connection to it."""

    def __init__(self, child: ChildProcess, frames: AsyncFrameSocket) -> None:
        self._child = child
        self._frames = frames

    @property
    def pid(self) -> int:
        """The process id."""
        return self._child.pid

    @classmethod
    async def start(cls, setup: WorkerSetup, arena: int | None = None) -> "WorkerProcess":
        """Start a worker and wait until it is ready.

        Args:
            setup: the first message to the worker.
            arena: descriptor of the memory that the worker writes runs to.

        Raises:
            ServiceError: the worker cannot start; says why.
        """
        try:
            child = ChildProcess("service.workers.main", [] if arena is None else [arena])
        except OSError as error:
            raise _not_started(error) from error
        try:
            child.start()
            worker = cls(child, await AsyncFrameSocket.connect(child.detach_socket()))
        except OSError as error:
            child.end(0)
            raise _not_started(error) from error
        except BaseException:  # the server may be stopped at any moment; no process may be left behind
            child.end(0)
            raise
        await worker._wait_until_ready(setup.encode(arena))
        return worker

    async def _wait_until_ready(self, setup: bytes) -> None:
        self._frames.send(setup)
        try:
            async with asyncio.timeout(START_SECONDS):
                reply = await self.reply()
        except BaseException as error:
            self.kill()
            code = await self.end()
            if isinstance(error, ConnectionError | TimeoutError):
                raise ServiceError("worker", f"a worker did not start: it ended with status {code}") from error
            raise
        if reply is None or reply.outcome is not Outcome.READY:
            code = await self.end()
            if reply is None:
                raise ServiceError("worker", f"a worker did not start: it ended with status {code}")
            raise ServiceError("worker", str(msgpack.unpackb(reply.payload)["detail"]))

    def send(self, job: bytes) -> None:
        """Send an encoded job. Does nothing if the worker is gone, which `reply` reports."""
        self._frames.send(job)

    async def reply(self) -> Reply | None:
        """Wait for the next reply; None if the worker is gone. Raises ConnectionError for anything but a reply."""
        body = await self._frames.read()
        return None if body is None else Reply.decode(body)

    def kill(self) -> None:
        """Kill the process at once. Call `end` afterwards."""
        self._child.kill()

    async def end(self) -> int | None:
        """Disconnect, wait for the process and kill it if necessary; return its exit status (−signal if killed)."""
        self._frames.close()
        return await asyncio.to_thread(self._child.end, END_SECONDS)


def _not_started(error: OSError) -> ServiceError:
    return ServiceError("worker", f"a worker did not start: {error.strerror or error}")
