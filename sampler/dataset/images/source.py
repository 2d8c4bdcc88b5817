"""Image sources: where the encoded images of a dataset come from.

Everything that needs image bytes goes through `ImageSource`. A new kind of storage is one more subclass and one more
case in `sampler.dataset.dataset.open_source`.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sampler.errors import ImageError


@dataclass(frozen=True, slots=True)
class ImageStat:
    """State of an image without its content.

    Attributes:
        size: Length in bytes.
        version: Opaque text that changes whenever the content may have changed.
    """

    size: int
    version: str

    @property
    def numbers(self) -> tuple[int, int]:
        """Size and version as two signed 64-bit integers. A version that is no such integer is hashed."""
        if self.version.isdecimal() and int(self.version) < 1 << 63:  # such as the time of a local file
            return self.size, int(self.version)
        hashed = hashlib.blake2b(self.version.encode(), digest_size=8).digest()
        return self.size, int.from_bytes(hashed, "little", signed=True)


class ImageSource(ABC):
    """Encoded images by name.

    A name is a relative path with forward slashes that does not leave the source; see `name_fault`. Every method that
    takes a name raises an ImageError that names the image, of kind "missing", "unreadable", "too-large" or "outside".
    """

    is_remote = False
    """Whether a read waits for another host, so that several should be under way at once."""

    read_seconds: float = 0.0
    """Longest time of a read of a remote source, with all its repetitions."""

    read_ahead_bytes = 0
    """Memory that images take that were read ahead, and what fetches them."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """Canonical location. Two sources with the same identity hold the same images."""

    @abstractmethod
    def describe(self, name: str) -> str:
        """Return where an image is, for messages: a path or URL."""

    @abstractmethod
    def stat(self, name: str) -> ImageStat:
        """Return size and version of an image."""

    @abstractmethod
    def read_range(self, name: str, start: int, length: int) -> bytes:
        """Return up to `length` bytes from byte `start` on; fewer only if the image ends before."""

    @abstractmethod
    def names(self) -> Iterator[str]:
        """Yield the name of every file in the source, in no particular order. Raises ImageSourceError."""

    def part(self, number: int) -> "ImageSource":  # noqa: ARG002 - the same for all numbers
        """Return the source of the images of an annotation file, by its number among the files of a dataset."""
        return self

    def read(self, name: str, limit: int) -> bytes:
        """Return all bytes of an image. One of more than `limit` bytes, or of none, is an ImageError."""
        size = self.stat(name).size
        self.check_size(name, size, limit)
        return self.check_content(name, self.read_range(name, 0, size))

    def check_size(self, name: str, size: int, limit: int) -> None:
        """Raise ImageError if an image has more than `limit` bytes."""
        if size > limit:
            cause = f"{size} bytes are more than an image of the annotated size can need"
            raise ImageError(self.describe(name), "too-large", cause)

    def check_content(self, name: str, data: bytes) -> bytes:
        """Return the bytes of an image. Raises ImageError if there are none."""
        if not data:
            raise ImageError(self.describe(name), "unreadable", "the file is empty")
        return data

    def read_versioned(self, name: str, limit: int) -> tuple[bytes, ImageStat | None]:
        """Return what `read` returns, and the state in which it was read: None unless the source is remote."""
        return self.read(name, limit), None

    def read_ahead(self, names: Iterable[str]) -> None:  # noqa: B027 - local sources have nothing to do
        """Begin to fetch images that will be read soon, in this order. Does nothing unless the source is remote.

        A fetched image is given to the next `read` of its name. Errors are raised there, too.
        """

    def cancel_reads(self) -> None:  # noqa: B027 - local sources do not wait
        """Have reads of other threads that wait for another host end with an error that is no SamplerError."""

    def stats(self, names: Sequence[str]) -> list[ImageStat | None]:
        """Return size and version of many images, None for those whose `stat` raises an ImageError."""
        return [self._stat_or_none(name) for name in names]

    def _stat_or_none(self, name: str) -> ImageStat | None:
        try:
            return self.stat(name)
        except ImageError:
            return None
