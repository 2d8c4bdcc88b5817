"""The trainer's end of a loader's process."""

import os
import socket
import subprocess
import sys
from contextlib import suppress

from client.errors import ClientError
from client.loader_job import LoaderJob
from client.loader_messages import SLOT, Inbox, Token, read_token

END_SECONDS = 1.0
"""Time for the process to end by itself once its socket is closed, before it is killed."""


class LoaderChild:
    """A running process and the socket to it."""

    def __init__(self, job: LoaderJob) -> None:
        """Start a process for a job. Raises `ClientError` where there is no descriptor, memory or process for it."""
        self._owner = os.getpid()
        try:
            self._process, self._channel = _spawn(job.descriptor)
        except OSError as error:
            raise ClientError(f"the loader's process did not start: {error.strerror or error}") from error
        self._inbox = Inbox(self._channel)
        self._send(job.encode())

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


def _spawn(memory: int) -> "tuple[subprocess.Popen[bytes], socket.socket]":
    """Start a process with the descriptor of the shared memory; return it and our end of the socket to it."""
    ours, theirs = socket.socketpair()
    with theirs:
        # The search path of this process is handed on, so that the other finds the same code however the trainer was
        # started; -P keeps the current folder out of it, which may hold another `client`. All other descriptors stay
        # closed there: nothing keeps a socket open when the trainer dies.
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)}
        command = [sys.executable, "-P", "-m", "client.loader_process", str(theirs.fileno())]
        passed = [theirs.fileno(), memory]
        try:
            return subprocess.Popen(command, pass_fds=passed, stdin=subprocess.DEVNULL, env=environment), ours
        except BaseException:
            ours.close()
            raise
