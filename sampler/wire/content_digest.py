"""The digest of a JSON document, in the header Content-Digest of its response (RFC 9530)."""

import hashlib
import re
from base64 import b64encode

HEADER = "Content-Digest"

CONTENT_DIGEST = re.compile("sha-256=:([A-Za-z0-9+/=]+):")
"""Finds the digest in the value of the header."""


def sha256_base64(document: bytes) -> str:
    """Return the SHA-256 of a document in base64."""
    return b64encode(hashlib.sha256(document).digest()).decode("ascii")


def content_digest(document: bytes) -> dict[str, str]:
    """Return the header for a document."""
    return {HEADER: f"sha-256=:{sha256_base64(document)}:"}
