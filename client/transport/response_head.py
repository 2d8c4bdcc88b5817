"""The head of an HTTP/1.1 answer: status line and headers, parsed, and what they say of the body."""

import http.client
import re
from typing import NamedTuple

STATUS_LINE = re.compile(rb"HTTP/1\.(\d) (\d{3})(?: ([^\r\n]*))?\r?")
HEADER_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*\r?", re.DOTALL)

MOST_HEADERS = 100
NO_BODY = (204, 304)

Header = tuple[bytes, bytes]


class AnswerHead(NamedTuple):
    """A parsed head.

    minor: version of HTTP after "1.". length: of the body in bytes; None where it is chunked or ends with the
    connection. keeps: whether the connection may be used again after the body.
    """

    minor: int
    status: int
    reason: bytes
    headers: list[Header]
    chunked: bool
    length: int | None
    keeps: bool


def parse_head(head: bytes, method: str) -> AnswerHead:
    """Return what the lines of a head say, the empty one at its end left out. method: of the request.

    Raises `http.client.HTTPException` for what is no head of an HTTP/1 answer.
    """
    first, *lines = head.split(b"\n")
    status_line = STATUS_LINE.fullmatch(first)
    if status_line is None:
        raise http.client.HTTPException(
            f"an answer that begins with {first[:40]!r}: expected a status line of HTTP/1.1"
        )
    minor, status, reason = int(status_line[1]), int(status_line[2]), status_line[3] or b""
    headers = _headers(lines)
    said: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        said.setdefault(name.lower(), []).append(value)
    options = _tokens(said, b"connection")
    keeps = b"close" not in options and (minor > 0 or b"keep-alive" in options)
    chunked, length = _framing(said)
    if method == "HEAD" or status in NO_BODY:
        chunked, length = False, 0
    return AnswerHead(minor, status, reason, headers, chunked, length, keeps and (chunked or length is not None))


def _headers(lines: list[bytes]) -> list[Header]:
    headers: list[Header] = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and headers:  # a line that goes on with the one before, as was once allowed
            name, value = headers[-1]
            headers[-1] = (name, value + b" " + line.strip())
            continue
        found = HEADER_LINE.fullmatch(line)
        if found is None:
            raise http.client.HTTPException(f"a header line {line[:40]!r}: expected a name and a value")
        headers.append((found[1], found[2]))
    if len(headers) > MOST_HEADERS:
        raise http.client.HTTPException(f"more than {MOST_HEADERS} headers")
    return headers


def _framing(said: dict[bytes, list[bytes]]) -> tuple[bool, int | None]:
    """Return whether the body is chunked, and its length if it is given."""
    codings = _tokens(said, b"transfer-encoding")
    if codings:
        if codings != [b"chunked"]:
            raise http.client.HTTPException(f"a body in the transfer coding {codings}: expected chunked")
        return True, None
    lengths = set(_tokens(said, b"content-length"))
    if not lengths:
        return False, None
    length = lengths.pop()
    if lengths or not length.isdigit() or len(length) > 18:
        raise http.client.HTTPException(f"a body of length {length!r}: expected one number")
    return False, int(length)


def _tokens(said: dict[bytes, list[bytes]], name: bytes) -> list[bytes]:
    return [token.strip().lower() for value in said.get(name, ()) for token in value.split(b",")]
