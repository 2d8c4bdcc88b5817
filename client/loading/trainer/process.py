"""The trainer's end of a loader's process."""

import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress

from client.errors import ClientError
from client.loading.job import LoaderJob
from client.loading.messages import SLOT, Inbox, Token, read_token

END_SECONDS = 1.0
"""Time for the process to end by itself once its socket is closed, before it is killed."""


class LoaderChild:
    """A running process and the socket to it."""

    def __init__(self, job: LoaderJob) -> None:
        """Start a process for a job. Raises `ClientError` where there is no descriptor, memory or process for it."""
        self._owner = os.getpid()
        self._channel, theirs = _pair()
        starting = _Starting(theirs.fileno(), job.descriptor)
        with theirs:
            try:
                self._process = starting.process()
                self._inbox = Inbox(self._channel)
                self._send(job.encode())
            except BaseException:  # an interrupt, perhaps: nobody else knows of the process yet
                self._channel.close()
                starting.undo()
                raise

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def grant(self, slot: int) -> None:
        """Let the process fill a slot."""
        self._send(SLOT.pack(slot))

    def receive(self) -> Token | None:
        """Wait for the next batch; None when the process is gone.

        Raises the `ClientError` that the process met. After any error, an interrupt included, `end` is all that is
        left to call.
        """
        body = self._inbox.frame()
        return None if body is None else read_token(body)

    def end(self) -> int | None:
        """End the process and wait for it; return its exit status (−signal if killed).

        In a fork of the trainer only the copy of the socket is closed: the process is not the fork's to end.
        """
        if os.getpid() != self._owner:
            self._channel.close()
            return None
        with self._channel, suppress(OSError):  # where it is broken already, the process is gone
            self._channel.shutdown(socket.SHUT_RDWR)  # `close` alone would leave it to forks that hold it too
        try:
            return self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _send(self, message: bytes) -> None:
        with suppress(ConnectionError):  # of a process that is gone: `receive` tells
            self._channel.sendall(message)


class _Starting(threading.Thread):
    """Starts a process with descriptors of its end of the socket and of the shared memory.

    In a thread of its own, for handlers of signals run in the main thread alone: here, no interrupt can come between
    the process and the note of it.
    """

    def __init__(self, channel: int, memory: int) -> None:
        super().__init__(daemon=True)
        self._passed = [channel, memory]
        self._lock = threading.Lock()
        self._wanted = True
        self._process: subprocess.Popen[bytes] | None = None
        self._error: OSError | None = None

    def process(self) -> "subprocess.Popen[bytes]":
        """Start the process and return it. Raises `ClientError`."""
        try:
            self.start()
        except RuntimeError as error:
            raise _not_started(error) from error
        self.join()
        if self._process is None:
            raise _not_started(self._error) from self._error
        return self._process

    def undo(self) -> None:
        """End the process if it was started; if it was not yet, it will not be."""
        with self._lock:
            self._wanted = False
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def run(self) -> None:
        """Start it, in the thread."""
        # The search path of this process is handed on, so that the other finds the same code however the trainer was
        # started; -P keeps the current folder out of it, which may hold another `client`. All other descriptors stay
        # closed there: nothing keeps a socket open when the trainer dies.
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)}
        command = [sys.executable, "-P", "-m", "client.loading.worker.main", str(self._passed[0])]
        with self._lock:
            if not self._wanted:
                return
            try:
                self._process = subprocess.Popen(
                    command, pass_fds=self._passed, stdin=subprocess.DEVNULL, env=environment
                )
            except OSError as error:
                self._error = error


def _pair() -> tuple[socket.socket, socket.socket]:
    try:
        return socket.socketpair()
    except OSError as error:
        raise _not_started(error) from error


def _not_started(error: Exception | None) -> ClientError:
    return ClientError(f"the loader's process did not start: {getattr(error, 'strerror', None) or error}")
