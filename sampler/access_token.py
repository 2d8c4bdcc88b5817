"""The access token of a server: which texts are valid tokens, and reading one from a file.

Messages never quote a token, valid or not.
"""

import re
from pathlib import Path

from sampler.regular_files import open_regular

MIN_CHARACTERS = 16
MAX_CHARACTERS = 512

_CHARACTERS = re.compile(r"[A-Za-z0-9._~+/=-]*")

EXPECTED = (
    f"expected {MIN_CHARACTERS} to {MAX_CHARACTERS} letters, digits or characters of -._~+/=; "
    "make one with: openssl rand -hex 32"
)


def check_token(text: str) -> str:
    """Return `text` if it is a valid token. Raises ValueError, whose message does not quote it."""
    if not _CHARACTERS.fullmatch(text):
        raise ValueError(f"invalid character; {EXPECTED}")
    if not MIN_CHARACTERS <= len(text) <= MAX_CHARACTERS:
        raise ValueError(f"{len(text)} characters; {EXPECTED}")
    return text


def read_token(file: Path) -> str:
    """Return the token in a file, without the line break at its end.

    Raises:
        OSError: the file cannot be read.
        ValueError: it does not hold a valid token; the message does not quote its content.
    """
    with open_regular(file) as stream:
        content = stream.read(MAX_CHARACTERS + 64)  # no more of a file that is not meant
    return check_token(content.decode("latin-1").rstrip("\r\n"))
