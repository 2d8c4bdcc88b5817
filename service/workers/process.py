"""The server's end of one worker process."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import msgpack

from sampler.config.schema import SamplerConfig
from service.errors.problems import ServiceError
from service.workers.protocol import Outcome, pack_request
from service.workers.replies import Answers

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

    def encode(self) -> bytes:
        """Return the bytes that a worker reads first."""
        return pack_request(
            {
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


class WorkerProcess:
    """A running worker and the socket to it."""

    def __init__(self, process: subprocess.Popen[bytes], answers: Answers, transport: asyncio.WriteTransport) -> None:
        """Take over a process whose socket is open; `start` makes one."""
        self._process = process
        self._answers = answers
        self._transport = transport

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @classmethod
    async def start(cls, setup: WorkerSetup, arena: int | None = None) -> "WorkerProcess":
        """Start a worker and wait until it is ready. Raises `ServiceError` with the reason when it cannot start.

        arena: descriptor of the memory that the worker writes runs to.
        """
        try:
            process, ours = _spawn()
        except OSError as error:  # no descriptor, memory or process is left for it
            raise ServiceError("worker", f"a worker did not start: {error.strerror or error}") from error
        _greet(ours, setup, arena)
        try:
            transport, answers = await asyncio.get_running_loop().create_unix_connection(Answers, sock=ours)
        except BaseException:  # a stop may come at any moment, and is to leave no process behind
            ours.close()
            process.kill()
            process.wait()
            raise
        worker = cls(process, answers, transport)
        try:
            async with asyncio.timeout(START_SECONDS):
                _, outcome, payload = await worker.answer()
        except BaseException as error:
            worker.kill()
            code = await worker.end()
            if isinstance(error, asyncio.IncompleteReadError | ConnectionError | TimeoutError):
                raise ServiceError("worker", f"a worker did not start: it ended with status {code}") from error
            raise
        if outcome is not Outcome.READY:
            await worker.end()
            raise ServiceError("worker", str(msgpack.unpackb(payload)["detail"]))
        return worker

    def ask(self, request: bytes) -> None:
        """Send a request; requests are small and the socket takes them at once.

        Does nothing for a worker that is gone: whoever waits for its answers learns of that.
        """
        if not self._transport.is_closing():  # uvloop raises for a socket that it has just found broken
            self._transport.write(request)

    async def answer(self) -> tuple[int, Outcome, bytes]:
        """Return the next answer: job number, outcome, payload.

        Raises `IncompleteReadError` when there is none, and `ConnectionError` for bytes that are no answer.
        """
        return await self._answers.next()

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()

    async def end(self) -> int | None:
        """Close the socket, wait for the process, kill it if it stays; return its exit status (−signal if killed)."""
        self._transport.close()
        code = await asyncio.to_thread(self._wait, END_SECONDS)
        if code is None:
            self._process.kill()
            code = await asyncio.to_thread(self._wait, END_SECONDS)
        return code

    def _wait(self, seconds: float) -> int | None:
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None


def _greet(ours: socket.socket, setup: WorkerSetup, arena: int | None) -> None:
    """Send the setup, and with its first bytes the arena. It is small: the socket takes it at once."""
    with contextlib.suppress(OSError):  # the worker is gone already, which reading its answer tells
        socket.send_fds(ours, [setup.encode()], [] if arena is None else [arena])


def _spawn() -> "tuple[subprocess.Popen[bytes], socket.socket]":
    """Start a process; return it and our end of the socket to it. Raises OSError."""
    ours, theirs = socket.socketpair()
    with theirs:
        # The search path of this process is handed on, so that the worker finds the same code however the server
        # was started; -P keeps the current folder from coming before it. All other descriptors stay closed there:
        # nothing keeps a socket open when the server dies.
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)}
        command = [sys.executable, "-P", "-m", "service.workers.main", str(theirs.fileno())]
        try:
            process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=environment)
        except OSError:
            ours.close()
            raise
        return process, ours
