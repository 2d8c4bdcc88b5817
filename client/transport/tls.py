"""TLS: whom a client trusts, and what its errors mean."""

import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from sampler.errors import InvalidRequestError
from sampler.regular_files import require_regular
from sampler.system_errors import explain

PROBE_SECONDS = 2.0
"""Time for a handshake that only serves an error message."""

NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL"})
"""OpenSSL's reasons for bytes that are not TLS; it depends on the version which of them is given."""

WRONG_NAME = frozenset({62, 64})
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""

EXPIRED = frozenset({9, 10})
"""X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED."""

UNKNOWN_CA = frozenset({2, 18, 19, 20, 21})
"""X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT and four more for a certificate that no trusted CA has signed."""

HTTP_PORT = 80
HTTPS_PORT = 443


def trust(ca: Path | None) -> ssl.SSLContext:
    """Return the context of a client: it trusts the CAs of a PEM file only, or those that httpx trusts by default.

    Raises:
        InvalidRequestError: the file cannot be read or has no certificate.
    """
    if ca is None:
        return httpx.create_ssl_context()
    try:
        require_regular(ca)
        return ssl.create_default_context(cafile=str(ca))
    except ssl.SSLError:
        raise InvalidRequestError("ca", str(ca), "a PEM file with the certificate of a CA") from None
    except OSError as error:
        cause = explain(error, ca, "name a file that this user can read")
        raise InvalidRequestError("ca", str(ca), f"a PEM file: {cause}") from None


class ClientTls:
    """TLS of all connections of a client.

    They share one context, because loading the default CAs takes 40 ms and 1 MB. Several threads may use it.
    """

    def __init__(self, ca: Path | None = None) -> None:
        """ca: PEM file of the only CA to trust, read now; None for the default ones. Raises the error of `trust`."""
        self._lock = threading.Lock()
        self._context = None if ca is None else _http_1(trust(ca))

    @property
    def context(self) -> ssl.SSLContext:
        """The context, made when it is first needed."""
        with self._lock:
            if self._context is None:
                self._context = _http_1(trust(None))
            return self._context

    def context_for(self, url: str) -> ssl.SSLContext:
        """Return the context for requests to a URL. If that needs no TLS, it trusts no CA."""
        return self.context if urlsplit(url).scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def tls_error(error: BaseException) -> ssl.SSLError | None:
    """Return the TLS error that is the cause of another error, if there is one that a new attempt would meet again."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLError):
            return seen if isinstance(seen, ssl.SSLCertVerificationError) or seen.reason in NOT_TLS else None
        seen = seen.__cause__ or seen.__context__
    return None


def explain_tls(error: ssl.SSLError, url: str, name: str | None = None) -> str:
    """Return what is wrong and what to do, for the URL of a request that failed.

    name: that the certificate must have, if not that of the URL.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    name = name or host
    server = f"the server at {parts.netloc.rpartition('@')[2]}"
    if not isinstance(error, ssl.SSLCertVerificationError):
        return f"{server} speaks http, not https: use http://{parts.netloc.rpartition('@')[2]}"
    reason = error.verify_message.rstrip(".") or "not valid"
    if error.verify_code in WRONG_NAME:
        names = ", ".join(_certificate_names(host, parts.port or HTTPS_PORT, name)) or "another name"
        return f"{server} has a certificate for {names}, not for {name}: use a name of the certificate in the URL"
    if error.verify_code in EXPIRED:
        return f"{server} has a certificate that is not valid now ({reason}): renew it, or correct the clock"
    if error.verify_code in UNKNOWN_CA:
        return f"the certificate of {server} is not trusted ({reason}): give the PEM file of its CA with ca= or --ca"
    return f"the certificate of {server}, or of its CA, is invalid ({reason}): issue it again"


def answers_tls(url: str) -> bool:
    """Whether the port of an http URL completes a TLS handshake. Nothing else is sent to it.

    Servers close the connection of a plain request to such a port, mostly without a response.
    """
    parts = urlsplit(url)
    with suppress(OSError, ValueError):
        _certificate(parts.hostname or "", parts.port or HTTP_PORT, None, _without_checks())
        return True
    return False


def _certificate_names(host: str, port: int, name: str) -> list[str]:
    """Return the names that a server's certificate is for; none if it cannot be asked. Nothing is sent to it."""
    with suppress(OSError, ValueError):
        certificate, _ = _certificate(host, port, name, _without_checks())
        # Python parses only a certificate that it has verified, so the second handshake trusts this one.
        parsing = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        parsing.check_hostname, parsing.verify_flags = False, ssl.VERIFY_X509_PARTIAL_CHAIN
        parsing.load_verify_locations(cadata=certificate)
        _, fields = _certificate(host, port, name, parsing)
        return [name for kind, name in fields.get("subjectAltName", ()) if kind in ("DNS", "IP Address")]
    return []


def _http_1(context: ssl.SSLContext) -> ssl.SSLContext:
    """Let a context offer HTTP/1.1 only; return it."""
    context.set_alpn_protocols(["http/1.1"])
    return context


def _without_checks() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _certificate(host: str, port: int, name: str | None, context: ssl.SSLContext) -> tuple[bytes, Mapping[str, Any]]:
    """Return a server's certificate as bytes and, if the context has verified it, its fields."""
    with (
        socket.create_connection((host, port), PROBE_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=name or host) as connection,
    ):
        return connection.getpeercert(binary_form=True) or b"", connection.getpeercert() or {}
