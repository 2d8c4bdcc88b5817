"""All errors of the client. Catch `ClientError` to catch every one of them.

    ClientError
    ├── ServerUnavailableError   no response within all attempts, or "come back later" (503) each time
    ├── RequestRefusedError      a value of the request is invalid, found here or by the server (4xx)
    ├── DigestMismatchError      the server's samples are not those of the first contact (412)
    ├── SampleError              the server could not make a sample, for example because an image is missing
    ├── ServerError              the server has a fault (500)
    ├── ProtocolError            the received bytes break the protocol
    │   └── TransferError        the response ended too early or was damaged, in all attempts
    └── MissingExtraError        an optional package is not installed

Every error is made from one message, so that it survives pickling; all else is in attributes.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sampler.errors import InvalidRequestError
from sampler.errors import ProtocolError as WireProtocolError


class ClientError(Exception):
    """Base of all errors of this package.

    Attributes:
        request_id: the server's X-Request-Id of the response, if there was one; it finds the request in the server's
            log.
        attempts: how often the client tried; 0 if it did not get that far.
    """

    def __init__(self, message: str, *, request_id: str | None = None) -> None:
        super().__init__(message)
        self.request_id = request_id
        self.attempts = 0

    def __str__(self) -> str:
        """The message, with the request id and the number of attempts if there was more than one."""
        parts = [f"request id {self.request_id}"] if self.request_id else []
        parts += [f"{self.attempts} attempts"] if self.attempts > 1 else []
        return f"{self.args[0]} ({', '.join(parts)})" if parts else str(self.args[0])


class ServerUnavailableError(ClientError):
    """The server could not be reached or was too busy, and no attempts are left.

    Attributes:
        retry_after: the wait in seconds that the server asked for last, if it did.
        unknown_host: whether there is no host of this name, and the client never reached it.
        __cause__: the last error of the transport, if there was one.
    """

    def __init__(
        self,
        message: str,
        *,
        request_id: str | None = None,
        retry_after: float | None = None,
        unknown_host: bool = False,
    ) -> None:
        super().__init__(message, request_id=request_id)
        self.retry_after = retry_after
        self.unknown_host = unknown_host


class ProblemError(ClientError):
    """An error with a problem document.

    Attributes:
        problem: the document (RFC 9457) as the server sent it: type, title, status, detail and more; empty if the
            response had none.
    """

    def __init__(self, message: str, *, problem: Mapping[str, Any] | None = None, **others: Any) -> None:
        super().__init__(message, **others)
        self.problem: dict[str, Any] = dict(problem or {})


class RequestRefusedError(ProblemError):
    """A value of the request is invalid."""

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The invalid values: [{"field": …, "value": …, "expected": …}, …]; empty if the server does not name them."""
        rows = self.problem.get("errors")
        return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


class DigestMismatchError(ProblemError):
    """The server makes other samples than at first contact: dataset, config, sampler version or image files changed.

    Attributes:
        field: "digest" or, if only the image files changed, "pixels"; "substitutes" if other images are replaced.
        expected: the digest of the first contact.
        actual: the digest that the server has now.
    """

    def __init__(
        self, message: str, *, field: str = "digest", expected: str = "", actual: str = "", **others: Any
    ) -> None:
        super().__init__(message, **others)
        self.field = field
        self.expected = expected
        self.actual = actual


class SampleError(ProblemError):
    """The server could not make a sample. No part of its batch is returned; other batches are not affected.

    Attributes:
        step: the step of the batch; None for a batch by index.
    """

    def __init__(self, message: str, *, step: int | None = None, **others: Any) -> None:
        super().__init__(message, **others)
        self.step = step

    @property
    def index(self) -> int | None:
        """Dataset index of the sample, if the server names it."""
        index = self.problem.get("index")
        return index if isinstance(index, int) else None

    @property
    def file(self) -> str | None:
        """The image file, if the server names it."""
        file = self.problem.get("file")
        return file if isinstance(file, str) else None


class ServerError(ProblemError):
    """The server has a fault. Another attempt would meet it again."""


class ProtocolError(ClientError, WireProtocolError):
    """The received bytes break the protocol. An incomplete batch is never returned."""


class TransferError(ProtocolError):
    """The response ended before it was complete or arrived damaged, and no attempts are left.

    Attributes:
        damaged: number of attempts whose bytes were damaged on their way.
    """

    def __init__(self, message: str, *, request_id: str | None = None, damaged: int = 0) -> None:
        super().__init__(message, request_id=request_id)
        self.damaged = damaged

    def __str__(self) -> str:
        """The message. Damage that repeats has a cause that should be found."""
        cause = "look for a broken proxy, network card or memory between server and client"
        times = "once" if self.damaged == 1 else f"{self.damaged} times"
        return f"{super().__str__()}: bytes were damaged {times}; {cause}" if self.damaged else super().__str__()


class MissingExtraError(ClientError, ImportError):
    """An optional package is not installed; the message says how to install it."""


def refused(error: InvalidRequestError) -> RequestRefusedError:
    """Return the error for a value found invalid on this side, with the row that the server would have sent."""
    row = {"field": error.field, "value": error.value, "expected": error.expected}
    return RequestRefusedError(str(error), problem={"status": 422, "detail": str(error), "errors": [row]})


@contextmanager
def checked_arguments() -> Iterator[None]:
    """Raise `InvalidRequestError` as `RequestRefusedError`."""
    try:
        yield
    except InvalidRequestError as error:
        raise refused(error) from None  # the message says all; two tracebacks would hide it
