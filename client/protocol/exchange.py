"""What an answer means: statuses and problem documents as errors, and every foreign error as one of ours."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from client.errors import (
    ClientError,
    DigestMismatchError,
    ProtocolError,
    RequestRefusedError,
    SampleError,
    ServerError,
    ServerUnavailableError,
    TransferError,
)
from sampler.errors import InvalidRequestError, SamplerError
from sampler.wire.reader import RemoteError

COME_BACK = (408, 429, 502, 503, 504)
"""Statuses that say "not now", by the server or by a proxy before it."""


class Place:
    """Where an answer comes from, for messages: method and URL, and what is known of the answer so far."""

    def __init__(self, name: str, digest: str = "") -> None:
        """name: method and URL without the query. digest: the one that was asked for."""
        self.name = name
        self.digest = digest
        self.step: int | None = None
        self.request_id: str | None = None
        self.in_body = False

    def answered(self, headers: Mapping[str, str]) -> None:
        """Take note of an answer's headers."""
        self.request_id = headers.get("x-request-id")

    def forget(self) -> None:
        """A new attempt begins: nothing is known of its answer."""
        self.request_id, self.in_body = None, False


def refusal(status: int, headers: Mapping[str, str], body: bytes, place: Place) -> ClientError:
    """Return the error that an answer other than 200 stands for. headers: names in lower case."""
    kind = headers.get("content-type", "")
    problem = _problem(kind, body)
    said = problem.get("detail") or problem.get("title") or ("" if "html" in kind else _excerpt(body))
    message = f"{place.name}: status {status}" + (f": {said}" if said else "")
    if status == 404:
        message += ": expected the address of a sampling server, such as http://cpu-host:8000"
    if status in COME_BACK:
        wait = retry_after(headers.get("retry-after"), time.time())
        return ServerUnavailableError(message, request_id=place.request_id, retry_after=wait)
    if status == 412:
        return _mismatch(message, problem, place)
    if 400 <= status < 500:
        return RequestRefusedError(message, request_id=place.request_id, problem=problem)
    if status >= 500:
        return ServerError(message, request_id=place.request_id, problem=problem)
    return ProtocolError(f"{message}: expected 200", request_id=place.request_id)


def _mismatch(message: str, problem: dict[str, Any], place: Place) -> DigestMismatchError:
    expected, actual = str(problem.get("expected") or place.digest), str(problem.get("actual") or "")
    return DigestMismatchError(message, request_id=place.request_id, problem=problem, expected=expected, actual=actual)


def retry_after(value: str | None, now: float) -> float | None:
    """Return the seconds that a Retry-After header asks for, given as seconds or as a date; None if it says nothing.

    now: seconds since 1970.
    """
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, OverflowError):
        return None  # the header is no more than a hint; without it the usual backoff applies


def require_type(headers: Mapping[str, str], expected: str, place: Place) -> None:
    """Raise `ProtocolError` for a body that is not what was asked for, such as a proxy's login page."""
    found = headers.get("content-type", "").partition(";")[0].strip().lower()
    if found != expected:
        message = f"{place.name}: content type {found or 'missing'}: expected {expected}"
        raise ProtocolError(message, request_id=place.request_id)


def refused(error: InvalidRequestError) -> RequestRefusedError:
    """Return the error for a value that this side found wrong, with the row the server would have sent."""
    row = {"field": error.field, "value": error.value, "expected": error.expected}
    return RequestRefusedError(str(error), problem={"status": 422, "detail": str(error), "errors": [row]})


@contextmanager
def checked() -> Iterator[None]:
    """Raise what `sampler` finds wrong with a caller's values as `RequestRefusedError`."""
    try:
        yield
    except InvalidRequestError as error:
        raise refused(error) from error


@contextmanager
def translated(place: Place) -> Iterator[None]:
    """Raise every error of the transport and of `sampler` as one of this package's, naming the place."""
    try:
        yield
    except ClientError:
        raise
    except InvalidRequestError as error:
        raise refused(error) from error
    except RemoteError as error:
        raise _remote(error, place) from error
    except SamplerError as error:
        raise ProtocolError(f"{place.name}: {error}", request_id=place.request_id) from error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, httpx.CookieConflict) as error:
        raise _transport(error, place) from error


def _remote(error: RemoteError, place: Place) -> ClientError:
    message = f"{place.name}: {error}"
    if error.problem.get("status") in COME_BACK:
        return ServerUnavailableError(message, request_id=place.request_id)
    return SampleError(message, request_id=place.request_id, problem=error.problem, step=place.step)


TRANSPORT: tuple[tuple[type[Exception] | tuple[type[Exception], ...], Callable[..., ClientError]], ...] = (
    (
        (httpx.TimeoutException, httpx.ProxyError, httpx.NetworkError, httpx.RemoteProtocolError),
        ServerUnavailableError,
    ),
    (httpx.DecodingError, ProtocolError),
)
"""What becomes of the transport's errors; any that is not here is a fault that no other attempt would mend."""


def _transport(error: Exception, place: Place) -> ClientError:
    said = " ".join(str(error).split()) or "no reason given"
    message = f"{place.name}: {type(error).__name__}: {said}"
    if isinstance(error, httpx.ConnectError):
        message += ": expected a server that runs at this host and port"
    if place.in_body and isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError):
        return TransferError(f"{message}: expected a trailer", request_id=place.request_id)
    for kinds, make in TRANSPORT:
        if isinstance(error, kinds):
            return make(message, request_id=place.request_id)
    return ClientError(message, request_id=place.request_id)


def _problem(content_type: str, body: bytes) -> dict[str, Any]:
    if "json" not in content_type:
        return {}
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}  # an answer that is no document is told by its status and its first words
    return document if isinstance(document, dict) else {}


def _excerpt(body: bytes) -> str:
    return " ".join(body[:200].decode(errors="replace").split())
