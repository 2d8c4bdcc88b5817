"""What gives a client access to a protected server: the token that it sends, and the CA that it trusts."""

import os
from dataclasses import dataclass
from multiprocessing.context import get_spawning_popen
from pathlib import Path
from typing import Any, Self

from sampler.access_token import EXPECTED as TOKEN_EXPECTED
from sampler.access_token import check_token
from sampler.access_token import read_token as token_in
from sampler.errors import InvalidRequestError
from sampler.system_errors import explain

TOKEN_VARIABLE = "SAMPLER_TOKEN"
TOKEN_FILE_VARIABLE = "SAMPLER_TOKEN_FILE"

HIDDEN = "…"
"""Stands for a token in messages."""


class Token:
    """A bearer token. Neither its repr nor its pickle shows it.

    A pickle for a process that `multiprocessing` starts carries the token: it goes from memory to memory. Any other
    pickle may end in a file or on another host; unpickled, it is None, so that the client there takes the token of its
    own environment.
    """

    __slots__ = ("_value",)

    def __init__(self, value: object, field: str = "token") -> None:
        """Check a token; `field` names its origin. Raises `InvalidRequestError`, which does not show the token."""
        try:
            self._value = check_token(value if isinstance(value, str) else "")
        except ValueError:
            raise InvalidRequestError(field, HIDDEN, TOKEN_EXPECTED.removeprefix("expected ")) from None

    def reveal(self) -> str:
        """Return the token itself."""
        return self._value

    def __repr__(self) -> str:
        return f"Token({HIDDEN})"

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __copy__(self) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (_left_behind, ()) if get_spawning_popen() is None else (Token, (self._value,))


def _left_behind() -> None:
    """Return what a token is in a pickle that may be stored."""


@dataclass(frozen=True, slots=True)
class Access:
    """The token of requests, or None; and the PEM file of the CA that signed the server's certificate, or None."""

    token: Token | None = None
    ca: Path | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers that carry the token."""
        return {} if self.token is None else {"Authorization": f"Bearer {self.token.reveal()}"}


def without_credentials(url: str) -> str:
    """Return a URL without user name and password, for messages."""
    head, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{head}{separator}{host.rpartition('@')[2]}{slash}{path}"


def read_token(file: Path | None) -> Token | None:
    """Return the token in a file; None without a file. Raises `InvalidRequestError`."""
    return None if file is None else _from_file(file, "token_file")


def as_token(token: str | Token | None) -> Token | None:
    """Return a checked token. Raises `InvalidRequestError`."""
    return token if token is None or isinstance(token, Token) else Token(token)


def token_of_environment() -> Token | None:
    """Return the token that the environment has or names the file of, if any. Raises `InvalidRequestError`."""
    value, file = os.environ.get(TOKEN_VARIABLE), os.environ.get(TOKEN_FILE_VARIABLE)
    if value and file:
        raise InvalidRequestError(TOKEN_VARIABLE, HIDDEN, f"either {TOKEN_VARIABLE} or {TOKEN_FILE_VARIABLE}, not both")
    if value:
        return Token(value, TOKEN_VARIABLE)
    return _from_file(Path(file), TOKEN_FILE_VARIABLE) if file else None


def _from_file(file: Path, field: str) -> Token:
    try:
        return Token(token_in(file.expanduser()))
    except OSError as error:
        cause = explain(error, file, "name a file that this user can read")
        raise InvalidRequestError(field, str(file), f"a file with the token: {cause}") from None
    except ValueError as error:
        raise InvalidRequestError(field, str(file), f"a file with the token: {error}") from None
