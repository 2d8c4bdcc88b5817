"""The URLs of places in object storage."""

import posixpath
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from sampler.errors import ImageSourceError
from sampler.printable import printable

SCHEMES = ("s3", "gs", "az", "https", "http")

_EXPECTED = "expected a folder, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX or https://HOST/PATH"


@dataclass(frozen=True, slots=True)
class ObjectUrl:
    """A place in object storage.

    Attributes:
        scheme: One of SCHEMES.
        bucket: The bucket or container; for a web server its host and port.
        prefix: What the names of images are relative to, without slashes at its ends; "" for the whole bucket.
    """

    scheme: str
    bucket: str
    prefix: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the place that a URL names. Raises ImageSourceError, which quotes no credentials."""
        try:
            parts = urlsplit(text)
        except ValueError:
            raise ImageSourceError(f"a URL of images is malformed; {_EXPECTED}") from None
        shown = printable(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")
        if parts.scheme not in SCHEMES:
            raise ImageSourceError(f"{shown}: no scheme of object storage; {_EXPECTED}")
        if "@" in parts.netloc:
            raise ImageSourceError(f"{shown}: the URL has credentials in it; set them as environment variables instead")
        if "?" in text or "#" in text:  # an empty query, too: it may be meant as a part of the path
            cause = "the URL has a query or fragment; remove it, and set credentials as environment variables"
            raise ImageSourceError(f"{shown}: {cause}")
        if not parts.netloc:
            raise ImageSourceError(f"{shown}: names no bucket or host; {_EXPECTED}")
        prefix = posixpath.normpath(parts.path.strip("/"))
        if prefix == ".." or prefix.startswith("../"):
            raise ImageSourceError(f"{shown}: the path leaves the bucket; {_EXPECTED}")
        return cls(parts.scheme, parts.netloc, "" if prefix == "." else prefix)

    @property
    def can_list(self) -> bool:
        """Whether the storage can list its objects. Web servers cannot."""
        return self.scheme not in ("https", "http")

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}/{self.prefix}".rstrip("/")
