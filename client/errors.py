"""Everything the client can raise, as one tree: catch `ClientError` to catch it all.

    ClientError
    ├── ServerUnavailableError   no answer within all attempts, or "come back later" (503) each time
    ├── RequestRefusedError      a value of the request is wrong, found here or by the server (4xx)
    ├── DigestMismatchError      the server's samples are not those of the first contact (412)
    ├── SampleError              the server could not make a sample: a missing image, for example
    ├── ServerError              the server has a fault (500)
    ├── ProtocolError            the bytes that came are not what the protocol allows
    │   └── TransferError        they ended too early, within all attempts
    └── MissingExtraError        an optional package is not installed

Every error takes one message, so that it survives pickling between processes; what else is known is in attributes.
"""

from collections.abc import Mapping
from typing import Any

from sampler.errors import ProtocolError as WireProtocolError

Problem = Mapping[str, Any]
"""A problem document (RFC 9457) as the server sent it: type, title, status, detail and further members."""


class ClientError(Exception):
    """Base of all errors of this package.

    `request_id` is the server's X-Request-Id of the answer in question, where there was one; it finds the request
    in the server's log. `attempts` is how often the client tried (0: it never came to that).
    """

    def __init__(self, message: str, *, request_id: str | None = None) -> None:
        """Take a message of one line."""
        super().__init__(message)
        self.request_id = request_id
        self.attempts = 0

    def __str__(self) -> str:
        """The message, with the request id and the number of attempts where they say something."""
        parts = [f"request id {self.request_id}"] if self.request_id else []
        parts += [f"{self.attempts} attempts"] if self.attempts > 1 else []
        return f"{self.args[0]} ({', '.join(parts)})" if parts else str(self.args[0])


class ServerUnavailableError(ClientError):
    """The server could not be reached or had no time, and the attempts are used up.

    `retry_after` is the wait in seconds that the server asked for at last, if it did. `__cause__` is the last
    error of the transport, if there was one.
    """

    def __init__(self, message: str, *, request_id: str | None = None, retry_after: float | None = None) -> None:
        """Take a message of one line."""
        super().__init__(message, request_id=request_id)
        self.retry_after = retry_after


class ProblemError(ClientError):
    """An error that comes with a problem document: `problem` (empty where the answer had none)."""

    def __init__(self, message: str, *, request_id: str | None = None, problem: Problem | None = None) -> None:
        """Take a message of one line and the document."""
        super().__init__(message, request_id=request_id)
        self.problem = dict(problem or {})


class RequestRefusedError(ProblemError):
    """The request cannot be answered as it stands. `errors` has a row of field, value and expected for each cause."""

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The values that are wrong: [{"field": …, "value": …, "expected": …}, …]; empty for other refusals."""
        rows = self.problem.get("errors")
        return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


class DigestMismatchError(ProblemError):
    """The server makes other samples than at first contact: dataset, config or sampler version changed.

    `expected` is the digest the client holds on to, `actual` the one that the server has now.
    """

    def __init__(
        self,
        message: str,
        *,
        request_id: str | None = None,
        problem: Problem | None = None,
        expected: str = "",
        actual: str = "",
    ) -> None:
        """Take a message of one line and both digests."""
        super().__init__(message, request_id=request_id, problem=problem)
        self.expected = expected
        self.actual = actual


class SampleError(ProblemError):
    """The server could not make a sample. No part of its batch is handed over; other batches are not affected.

    `step` is the step of the batch, or None where it was asked for by index.
    """

    def __init__(
        self,
        message: str,
        *,
        request_id: str | None = None,
        problem: Problem | None = None,
        step: int | None = None,
    ) -> None:
        """Take a message of one line, the document and the step."""
        super().__init__(message, request_id=request_id, problem=problem)
        self.step = step

    @property
    def index(self) -> int | None:
        """Dataset index of the sample, where the server names it."""
        index = self.problem.get("index")
        return index if isinstance(index, int) else None

    @property
    def file(self) -> str | None:
        """The image file, where the server names it."""
        file = self.problem.get("file")
        return file if isinstance(file, str) else None


class ServerError(ProblemError):
    """The server has a fault that another attempt would meet again."""


class ProtocolError(ClientError, WireProtocolError):
    """The bytes that came are not what the protocol allows. Nothing half-built is ever returned."""


class TransferError(ProtocolError):
    """The answer ended before it was whole, and the attempts are used up."""


class MissingExtraError(ClientError, ImportError):
    """An optional package is missing; the message says how to install it."""
