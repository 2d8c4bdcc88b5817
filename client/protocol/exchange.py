"""One HTTP exchange: the request, what is known of its response, and every refusal as a `ClientError`."""

import json
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from client.credentials import TOKEN_FILE_VARIABLE, TOKEN_VARIABLE, without_credentials
from client.errors import (
    ClientError,
    DigestMismatchError,
    ProtocolError,
    RequestRefusedError,
    ServerError,
    ServerUnavailableError,
    TransferError,
)
from client.protocol.proxies import Proxy
from sampler.printable import printable
from sampler.wire.content_digest import CONTENT_DIGEST, sha256_base64
from sampler.wire.messages import MEDIA_TYPE
from sampler.wire.problem_types import PROBLEM_TYPES, TYPE_PREFIX, is_shallow

PROBLEM_TYPE = "application/problem+json"
"""Media type of our server's error documents."""

CREDENTIALS = "put user and password into the proxy's URL (http://user:password@proxy:3128)"

TRY_LATER = (408, 429, 502, 503, 504)
"""Statuses that say "not now", sent by the server or by a proxy in front of it."""

MAX_DOCUMENT_BYTES = 16 << 20
"""Largest accepted document, such as a spec."""

MAX_PROBLEM_BYTES = 1 << 20
"""Bytes of a problem document that are read; more of it is ignored."""

MAX_SHOWN = 1000
"""Characters of a server's text that a message has."""

MAX_REQUEST_ID = 200

SERVER_NAME = "sni_hostname"
"""httpx's request extension with the server name for TLS."""


def use_https(url: str) -> str:
    """Return the advice for a plain request to a port that expects TLS."""
    server = urlsplit(url).netloc.rpartition("@")[2]
    return f"the server at {server} speaks https, not http: use https://{server}"


class Received:
    """What has arrived of a response, for messages."""

    def __init__(self) -> None:
        self.bytes = 0

    def __str__(self) -> str:
        return f"{self.bytes:,} bytes"


class Exchange:
    """A request and its response. Each attempt makes a new one."""

    def __init__(
        self,
        method: str,
        url: str,
        *,
        media_type: str | None = None,
        body: dict[str, Any] | None = None,
        digest: str = "",
        step: int | None = None,
        largest_document: int = MAX_DOCUMENT_BYTES,
        proxy: Proxy | None = None,
        host: str | None = None,
        first: bool = False,
    ) -> None:
        """Make an exchange.

        Args:
            method: GET or POST.
            url: with the parameters.
            media_type: that the response must have; None for any.
            body: sent as JSON.
            digest: that the request names.
            step: of the next batch, kept up to date.
            largest_document: the most bytes of a document.
            proxy: that the request goes through.
            host: name and port for the Host header and TLS, if the URL has an address of it; None for those of the URL.
            first: whether nothing is known yet of the server, not even whether it speaks HTTP.
        """
        self.method = method
        self.url = url
        self.body = body
        self.name: str = f"{method} {without_credentials(url.partition('?')[0])}"
        self.step = step
        self.first: bool = first
        self.request_id: str | None = None
        self.in_batches: bool = False
        self.proxy = proxy
        self.host = host
        self.received: Received = Received()
        self._refused = False
        self._content_digest = ""
        self._media_type = media_type
        self._digest = digest
        self._largest_document = largest_document

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the request that the transport would write otherwise."""
        return {} if self.host is None else {"Host": self.host}

    @property
    def extensions(self) -> dict[str, str]:
        """Extensions of the request: the name that TLS sends and that the certificate must have, if not the URL's."""
        name = self.server_name
        return {} if name is None else {SERVER_NAME: name}

    @property
    def server_name(self) -> str | None:
        """The host name that a certificate must have, if not that of the URL."""
        return None if self.host is None else urlsplit(f"//{self.host}").hostname

    def begin(self, status: int, headers: Mapping[str, str]) -> bool:
        """Take the head of the response. Returns False for a status other than 200: the body is then for `refusal`.

        Raises:
            ProtocolError: the body has a content coding, or another media type than expected, such as a proxy's login
                page. `TransferError` if the status says "not now".
        """
        self.first = False
        self.request_id = printable(headers.get("x-request-id", "")[:MAX_REQUEST_ID]) or None
        coding = headers.get("content-encoding", "").strip().lower()
        if any(one.strip() not in ("", "identity") for one in coding.split(",")):
            cause = f"status {status}, content coding {_shown(coding)}: expected none, as requested"
            error = f"{self.name}: {cause}; remove compression from the proxies between client and server"
            raise (TransferError if status in TRY_LATER else ProtocolError)(error, request_id=self.request_id)
        self._content_digest = headers.get("content-digest", "")
        self._refused = status != 200
        if self._refused:
            self._require_plausible(status, headers)
            return False
        given = headers.get("content-type", "").strip().lower()
        found = given.partition(";")[0].strip()
        if self._media_type is not None and found != self._media_type:
            cause = f"content type {_shown(found) or 'missing'}: expected {self._media_type}"
            raise self.damage(cause) if _nearly(given, self._media_type) else self.violation(cause)
        self.in_batches = found == MEDIA_TYPE
        return True

    def _require_plausible(self, status: int, headers: Mapping[str, str]) -> None:
        """Raise `TransferError` for a status that our server does not send with such a body."""
        found = headers.get("content-type", "").partition(";")[0].strip().lower()
        failed = 400 <= status < 600 and found != MEDIA_TYPE
        if found and found == self._media_type and not failed:
            raise self.damage(f"status {status} with content type {found}: expected 200")

    def complete(self, size: int) -> bool:
        """Whether `size` bytes of a document are enough: a long error is cut.

        Raises:
            ProtocolError: a document that is not an error is too long.
        """
        self.received.bytes = size
        if self._refused:
            return size >= MAX_PROBLEM_BYTES
        if size > self._largest_document:
            raise self.violation(f"a document of more than {self._largest_document} bytes")
        return False

    def parse(self, document: bytes) -> Any:
        """Return the content of a JSON document.

        Raises:
            TransferError: it was damaged on its way.
            ProtocolError: it was not, but it is no JSON.
        """
        self._require_content(document)
        try:
            return json.loads(document)
        except (ValueError, RecursionError) as error:
            whole = document.startswith(b'{"') and document.endswith(b"}") and isinstance(error, ValueError)
            raise (self.damage if whole else self.violation)(f"not JSON: {error}") from error

    def _require_content(self, document: bytes) -> None:
        found = CONTENT_DIGEST.search(self._content_digest)
        if found is not None and found[1] != sha256_base64(document):
            raise self.damage("the document does not have its digest")

    def out_of_time(self) -> ServerUnavailableError:
        """Return the error for a response that was not complete at its deadline."""
        message = f"{self.name}: no complete response in time: received {self.received}"
        return ServerUnavailableError(message, request_id=self.request_id)

    def damage(self, cause: str) -> TransferError:
        """Return the error for a response whose bytes were damaged on their way."""
        return TransferError(f"{self.name}: corrupt: {_shown(cause)}", request_id=self.request_id, damaged=1)

    def violation(self, cause: str) -> ProtocolError:
        """Return the error for a response that breaks the protocol."""
        return ProtocolError(f"{self.name}: {_shown(cause)}", request_id=self.request_id)

    def mismatch(self, field: str, expected: str, actual: str) -> DigestMismatchError:
        """Return the error for a digest, or a number of substitutes, other than that of the first contact."""
        actual = _shown(actual)
        message = f"{self.name}: {field} {actual}: expected {expected}, as at first contact"
        return DigestMismatchError(message, request_id=self.request_id, field=field, expected=expected, actual=actual)

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> ClientError:
        """Return the error for a response with a status other than 200. headers: names in lower case."""
        media_type, request_id = headers.get("content-type", ""), self.request_id
        problem = _problem(media_type, body)
        if not is_consistent(problem, status):
            return self.damage(f"status {status} with a problem of another status: {_shown(str(problem))}")
        ours = PROBLEM_TYPE in media_type
        detail = problem.get("detail") or problem.get("title") or ("" if "html" in media_type else _excerpt(body))
        if ours and status == 401:
            detail = str(detail).partition(";")[0]  # the rest is advice for programs that set the header themselves
        message = f"{self.name}: status {status}" + (f": {_shown(str(detail))}" if detail else "")
        if self.proxy is not None and status == 407:
            message += f": {self.proxy.named} refused the request; {CREDENTIALS}, or {self.proxy.remedy}"
        elif self.proxy is not None and not ours:
            message += f": perhaps from {self.proxy.named}: {self.proxy.remedy}"
        message += self._advice(status, body)
        if status in TRY_LATER:
            wait = retry_after(headers.get("retry-after"), time.time())
            return ServerUnavailableError(message, request_id=request_id, retry_after=wait)
        if status == 412:
            expected, actual = problem.get("expected") or self._digest, problem.get("actual") or ""
            field = str(problem.get("field") or "digest")
            return DigestMismatchError(
                message, request_id=request_id, problem=problem,
                field=_shown(field), expected=_shown(str(expected)), actual=_shown(str(actual)),
            )  # fmt: skip
        if 400 <= status < 500:
            return RequestRefusedError(message, request_id=request_id, problem=problem)
        if status >= 500:
            return ServerError(message, request_id=request_id, problem=problem)
        return ProtocolError(f"{message}: expected 200", request_id=request_id)

    def _advice(self, status: int, body: bytes) -> str:
        if status == 404:
            return ": expected the address of a sampling server, such as http://cpu-host:8000"
        if status == 401:
            return f": set {TOKEN_VARIABLE} or {TOKEN_FILE_VARIABLE} here as on the server, or give its token"
        if status == 400 and self.url.startswith("http:") and b"https" in body.lower():
            return f": {use_https(self.url)}"
        return ""


def retry_after(value: str | None, now: float) -> float | None:
    """Return the seconds that a Retry-After header asks for, given as seconds or as a date; None if it is unusable.

    now: seconds since 1970.
    """
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return None  # only a hint: without it, the usual backoff applies


def is_consistent(problem: Mapping[str, Any], status: int | None = None) -> bool:
    """Whether a problem document has the status of its type, and of its response if that is given.

    Unknown types and documents without a status are consistent: other servers may send them.
    """
    kind, said = problem.get("type"), problem.get("status")
    if isinstance(kind, str) and kind.startswith(TYPE_PREFIX):
        known = PROBLEM_TYPES.get(kind.removeprefix(TYPE_PREFIX))
        if known is not None and kind != f"{TYPE_PREFIX}http" and said != known.status:
            return False
    return status is None or not isinstance(said, int) or said == status


def _nearly(text: str, expected: str) -> bool:
    """Whether a header may have been `expected` before one byte changed: of its value, its name or its line's end."""
    different = sum(one != other for one, other in zip(text, expected, strict=False))
    return not text or (len(text) >= len(expected) and different <= 1)


def _problem(media_type: str, body: bytes) -> dict[str, Any]:
    if "json" not in media_type:
        return {}
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}  # the message then has the status and the beginning of the body
    return document if isinstance(document, dict) and is_shallow(document) else {}


def _shown(text: str) -> str:
    return printable(" ".join(text[:MAX_SHOWN].split()))


def _excerpt(body: bytes) -> str:
    return " ".join(body[:200].decode(errors="replace").split())
