"""Tokens in URLs, where they do not belong: proxies, browsers and logs record URLs."""

import re
from urllib.parse import unquote

from service.access.credentials import Credentials

HIDDEN = "[hidden]"

_PARAMETER = re.compile(r"((?:^|[&;])(?:(?:access|api|auth|bearer)[_-]?)?(?:token|key)=)[^&;]*", re.IGNORECASE)
"""A query parameter whose name says that it is a token."""


def has_token(query: str, credentials: Credentials) -> bool:
    """Return whether a query string contains the token, or a parameter that is meant for one."""
    return _names_token(query) or credentials.token in unquote(query)


def without_tokens(query: str, credentials: Credentials | None) -> str:
    """Return a query string for the log."""
    if credentials is not None and credentials.token in unquote(query):
        return HIDDEN
    return _PARAMETER.sub(rf"\1{HIDDEN}", query) if _names_token(query) else query


def _names_token(query: str) -> bool:
    lowered = query.lower()  # a search for two texts is much faster than the expression
    return ("token=" in lowered or "key=" in lowered) and _PARAMETER.search(query) is not None
