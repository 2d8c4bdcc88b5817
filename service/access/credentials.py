"""What proves that a request may be served: the token, or a cookie that stands for it in a browser."""

import hashlib
import hmac

from service.access.headers import Headers

_COOKIE = b"saccade-sampler: cookie of a logged-in browser"
_COOKIE_NAME = b"saccade-sampler: name of the cookie"


class Credentials:
    """The token of a server and its cookie.

    The cookie is derived from the token: it stays valid when the server restarts, and ends with the token. So does its
    name, because all servers of one host share their cookies, whatever their ports.

    Attributes:
        token: the secret, for nothing but keeping it out of logs.
        cookie_name: name of the cookie.
        cookie: its value, from which the token cannot be computed.
    """

    def __init__(self, token: str) -> None:
        self.token = token
        self._token = token.encode()
        self.cookie = self._derive(_COOKIE)
        self.cookie_name = f"sampler-{self._derive(_COOKIE_NAME)[:8]}"

    def _derive(self, label: bytes) -> str:
        return hmac.new(self._token, label, hashlib.sha256).hexdigest()

    def accept_token(self, token: bytes) -> bool:
        """Return whether this is the token, in a time that does not depend on how much of it is right."""
        return hmac.compare_digest(token, self._token)

    def accept_header(self, authorization: bytes | None) -> bool:
        """Return whether an `Authorization` header has the token."""
        scheme, _, token = (authorization or b"").partition(b" ")
        return scheme.lower() == b"bearer" and self.accept_token(token.strip())

    def accept_cookie(self, cookies: bytes | None) -> bool:
        """Return whether a `Cookie` header has the cookie."""
        name, value = self.cookie_name.encode(), self.cookie.encode()
        pairs = (pair.strip().partition(b"=") for pair in (cookies or b"").split(b";"))
        return any(found == name and hmac.compare_digest(given, value) for found, _, given in pairs)

    def accept(self, method: str, headers: Headers) -> bool:
        """Return whether a request may be served. The cookie is only for reading."""
        if self.accept_header(headers.get(b"authorization")):
            return True
        return method in ("GET", "HEAD") and self.accept_cookie(headers.get(b"cookie"))
