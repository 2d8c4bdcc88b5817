"""The trainer's end of the loader worker."""

from contextlib import suppress

from client.errors import ClientError
from client.loading.job import LoaderJob
from client.loading.messages import SLOT, Token, read_token
from sampler.ipc.child_process import ChildProcess

END_SECONDS = 1.0
"""Time for the loader worker to exit once its socket is closed, before it is killed."""


class LoaderProcess:
    """A running loader worker and the connection to it."""

    def __init__(self, job: LoaderJob) -> None:
        """Start a loader worker. Raises ClientError if there is no descriptor, memory or process for it."""
        try:
            self._child = ChildProcess("client.loading.worker.main", [job.descriptor])
        except OSError as error:
            raise _not_started(error) from error
        try:
            self._child.start()
            self._frames = self._child.frames()
            self._send(job.encode())
        except OSError as error:
            self._child.end(0)
            raise _not_started(error) from error
        except BaseException:  # such as an interrupt: the caller has no reference to the process yet
            self._child.end(0)
            raise

    @property
    def pid(self) -> int:
        """The process id."""
        return self._child.pid

    def grant(self, slot: int) -> None:
        """Let the loader worker fill a slot."""
        self._send(SLOT.pack(slot))

    def receive(self) -> Token | None:
        """Wait for the next batch; None if the loader worker is gone.

        Raises the ClientError that the loader worker met. After any exception, also an interrupt, only `end` may be
        called.
        """
        body = self._frames.read()
        return None if body is None else read_token(body)

    def end(self) -> int | None:
        """Stop the loader worker and return its exit status (−signal if killed). Does nothing in a fork."""
        return self._child.end(END_SECONDS)

    def _send(self, message: bytes) -> None:
        with suppress(ConnectionError):  # the loader worker is gone, which `receive` reports
            self._frames.send(message)


def _not_started(error: OSError) -> ClientError:
    return ClientError(f"the loader's process did not start: {error.strerror or error}")
