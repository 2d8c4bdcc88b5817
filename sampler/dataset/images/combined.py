"""Images of several folders as one source: the first part of each name is the number of the folder."""

import json
from collections.abc import Iterator, Sequence

from sampler.dataset.images.source import ImageSource, ImageStat
from sampler.errors import ImageError


class CombinedSource(ImageSource):
    """The images of several sources. The image "a/b.jpg" of the second one is called "1/a/b.jpg"."""

    def __init__(self, parts: Sequence[ImageSource]) -> None:
        """Use the images of `parts`. The same source may be there several times."""
        self._parts = tuple(parts)

    def __repr__(self) -> str:
        return f"CombinedSource({list(self._parts)!r})"

    @property
    def identity(self) -> str:
        """The identities of the parts as a JSON list."""
        return json.dumps([part.identity for part in self._parts])

    def describe(self, name: str) -> str:
        """Return where an image is in its part."""
        part, rest = self._routed(name)
        return part.describe(rest)

    def part(self, number: int) -> ImageSource:
        """Return one of the parts."""
        return self._parts[number]

    def stat(self, name: str) -> ImageStat:
        """Return size and version of an image."""
        part, rest = self._routed(name)
        return part.stat(rest)

    def read_range(self, name: str, start: int, length: int) -> bytes:
        """Return up to `length` bytes from byte `start` on."""
        part, rest = self._routed(name)
        return part.read_range(rest, start, length)

    def read(self, name: str, limit: int) -> bytes:
        """Return all bytes of an image."""
        part, rest = self._routed(name)
        return part.read(rest, limit)

    def names(self) -> Iterator[str]:
        """Yield the name of every file, part by part."""
        for number, part in enumerate(self._parts):
            for name in part.names():
                yield f"{number}/{name}"

    def _routed(self, name: str) -> tuple[ImageSource, str]:
        number, _, rest = name.partition("/")
        if not number.isdecimal() or int(number) >= len(self._parts) or not rest:
            cause = f"the name does not begin with the number of one of {len(self._parts)} image folders"
            raise ImageError(name, "missing", cause)
        return self._parts[int(number)], rest
