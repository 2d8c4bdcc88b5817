"""Responses to requests that never reach the app, as problem documents."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

from service.error_responses import MEDIA_TYPE
from service.errors.problems import problem

KILOBYTE = 1 << 10
MAX_HEAD = 64 * KILOBYTE
"""Bytes of the head of a request: request line and all headers. Trailers of a body have the same limit."""
MAX_URL = 32 * KILOBYTE
MAX_HEADERS = 100
MAX_PIPELINED = 8
"""Requests that may wait for the response to one before them."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a connection is refused."""

    reason: str  # label in the metrics
    kind: str  # of the problem document
    detail: str
    retry_after: int | None = None  # seconds

    def response(self, default_headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """Return the response. It ends the connection."""
        document = problem(self.kind, self.detail)
        body = json.dumps(document).encode()
        status = HTTPStatus(document["status"])
        headers = [
            *default_headers,
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"connection", b"close"),
        ]
        if self.retry_after is not None:
            headers.append((b"retry-after", str(self.retry_after).encode()))
        lines = [b"HTTP/1.1 %d %s" % (status, status.phrase.encode()), *(b"%s: %s" % header for header in headers)]
        return b"\r\n".join([*lines, b"", body])


FULL = "full"
LATE_HEAD = "late-head"

HEAD_TOO_LARGE = Refusal(
    "head", "head-too-large", f"request line and headers: expected at most {MAX_HEAD} bytes in {MAX_HEADERS} headers"
)
URL_TOO_LONG = Refusal(
    "url", "url-too-long", f"the URL: expected at most {MAX_URL} bytes; send many indices as the body of a POST"
)
MALFORMED = Refusal("malformed", "malformed-request", "this is not an HTTP/1.1 request")
TOO_MANY_PIPELINED = Refusal(
    "malformed", "malformed-request", f"expected at most {MAX_PIPELINED} requests before the response to the first"
)
HTTPS_TO_HTTP = Refusal(
    "malformed", "malformed-request", "this port speaks http: use an http:// address, or serve with --tls-cert"
)


def late_head(seconds: float) -> Refusal:
    """Return the refusal of a request whose head did not arrive in time."""
    return Refusal(LATE_HEAD, "head-timeout", f"the head of the request: expected within {seconds:g} s")


def full(most: int, retry_after: int) -> Refusal:
    """Return the refusal of a connection for which there is no place."""
    return Refusal(FULL, "overloaded", f"all {most} connections of this server are in use; try again", retry_after)
