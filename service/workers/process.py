"""A worker process, as the server sees it: starting it, talking to it, ending it."""

import asyncio
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Self

import msgpack

from sampler.ipc.async_frames import AsyncFrameSocket
from sampler.ipc.child_process import ChildProcess
from sampler.system_errors import explain
from service.errors.problems import ServiceError
from service.workers.protocol import Outcome, Reply, WorkerSetup

START_SECONDS = 60.0
"""Time for a worker to import its libraries and open the dataset."""

COMPILE_SECONDS = 600.0
"""Time for a worker that has to compile the kernels first, or to wait for another that does."""

END_SECONDS = 2.0
"""Time for a worker to exit once its socket is closed, before it is killed."""


class WorkerProcess:
    """A running worker and the connection to it."""

    def __init__(self, child: ChildProcess, frames: AsyncFrameSocket) -> None:
        self._child = child
        self._frames = frames

    @property
    def pid(self) -> int:
        return self._child.pid

    @classmethod
    async def start(
        cls,
        setup: WorkerSetup,
        on_compile: Callable[[], None] = lambda: None,
        lend: Callable[[], AbstractContextManager[None]] = nullcontext,
        stderr: int | None = None,
    ) -> Self:
        """Start a worker and wait until it is ready. Raises `ServiceError`, with the reason, if it cannot start.

        Args:
            setup: What the worker needs.
            on_compile: Called if the worker has to wait for the kernels to be compiled.
            lend: Gives the block in which the process is started, such as one that makes descriptors available.
            stderr: Descriptor that the process writes errors to.
        """
        child = None
        try:
            with lend():  # nothing else on the event loop can take the descriptors: there is no await
                child = ChildProcess("service.worker", setup.descriptors, stderr)
                child.start()
            worker = cls(child, await AsyncFrameSocket.connect(child.detach_socket()))
        except BaseException as error:  # the server may be stopped at any moment; no process may be left behind
            if child is not None:
                child.end(0)
            if isinstance(error, OSError):
                cause = explain(error, sys.executable, "make it possible to run this program")
                raise ServiceError("worker", f"a worker did not start: {cause}") from error
            raise
        await worker._wait_until_ready(setup, on_compile)
        return worker

    async def _wait_until_ready(self, setup: WorkerSetup, on_compile: Callable[[], None]) -> None:
        self._frames.send(setup.encode())
        reply = status = None
        try:
            with suppress(ConnectionError, TimeoutError):  # reported below, with the exit status
                async with asyncio.timeout(START_SECONDS) as limit:
                    first = await self.reply()
                    compiling = first is not None and first.outcome is Outcome.COMPILING
                    if compiling:
                        on_compile()
                        limit.reschedule(asyncio.get_running_loop().time() + COMPILE_SECONDS)
                    reply = await self.reply() if compiling else first
        finally:
            if reply is None or reply.outcome is not Outcome.READY:
                self.kill()
                status = await self.end()
        if reply is not None and reply.outcome is Outcome.READY:
            return
        if reply is None:
            raise ServiceError("worker", f"a worker did not start: it exited with status {status}")
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

    def disconnect(self) -> None:
        """Close the connection; `reply` returns None from now on. Call `end` afterwards."""
        self._frames.close()

    def is_gone(self) -> bool:
        """Return whether the process has exited."""
        return self._child.has_exited()

    async def end(self) -> int | None:
        """Disconnect, wait for the process and kill it if necessary; return its exit status (−signal if killed).

        None if it is still there some seconds after it was killed, which only waiting for a device can cause.
        """
        self._frames.close()
        return await asyncio.to_thread(self._child.end, END_SECONDS)


def describe_exit(status: int | None) -> str:
    """Return how a process ended, in words. status: its exit status, negative for a signal; None if it still runs."""
    if status is None:
        return "killed, but it has not exited yet"
    return f"signal {-status}" if status < 0 else f"status {status}"
