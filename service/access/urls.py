"""Tokens in URLs, where they do not belong: proxies, browsers and logs record URLs.

The text of a request is compared with the token only if the request carried the token as well. How long such a search
takes would tell others how much of a guess is right.
"""

import re
from urllib.parse import unquote

from service.access.credentials import Credentials
from service.log_lines import HIDDEN

_PARAMETER = re.compile(r"((?:^|[?&;])(?:(?:access|api|auth|bearer)[_-]?)?(?:token|key)=)[^&;]*", re.IGNORECASE)
"""A query parameter whose name says that it is a token."""

_LONG = re.compile(r"[^/?&;=,]{13,}")
"""Parts of paths and queries that are longer than those of ordinary requests."""

_ENCODED = 8
"""How often a text may be encoded; one of more layers is treated as if it had the token."""


def names_token(query: str) -> bool:
    """Return whether a query string has a parameter that is meant for a token."""
    lowered = query.lower()  # a search for two texts is much faster than the expression
    return ("token=" in lowered or "key=" in lowered) and _PARAMETER.search(query) is not None


def has_token(text: str, credentials: Credentials) -> bool:
    """Return whether the path or query of a request that carried the token contains it once more.

    The token may be encoded several times: `search` is a query within the query.
    """
    for _ in range(_ENCODED):
        decoded = unquote(text)
        if credentials.token in decoded:
            return True
        if decoded == text:
            return False
        text = decoded
    return True


def loggable(target: str, credentials: Credentials | None, *, trusted: bool) -> str:
    """Return path and query of a request for the log, without tokens.

    trusted: the request carried the token. Of others, everything long is hidden: it may be the token in a wrong place.
    """
    named = _PARAMETER.sub(rf"\1{HIDDEN}", target) if names_token(target) else target
    if credentials is None:
        return named
    if not trusted:
        return _LONG.sub(HIDDEN, named)
    return HIDDEN if has_token(named, credentials) else named
