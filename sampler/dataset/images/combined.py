"""Images of several folders as one source: the first part of each name is the number of the folder."""

import json
from collections.abc import Iterable, Iterator, Sequence

from sampler.dataset.images.source import ImageSource, ImageStat
from sampler.errors import ImageError


class CombinedSource(ImageSource):
    """The images of several sources. The image "a/b.jpg" of the second one is called "1/a/b.jpg"."""

    def __init__(self, parts: Sequence[ImageSource]) -> None:
        """Use the images of `parts`. The same source may be there several times."""
        self._parts = tuple(parts)
        self.is_remote = any(part.is_remote for part in parts)
        self.read_seconds = max(part.read_seconds for part in parts)
        self.read_ahead_bytes = sum(part.read_ahead_bytes for part in parts)

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

    def read_versioned(self, name: str, limit: int) -> tuple[bytes, ImageStat | None]:
        """Return all bytes of an image, with its size and version if its part is remote."""
        part, rest = self._routed(name)
        return part.read_versioned(rest, limit)

    def read_ahead(self, names: Iterable[str]) -> None:
        """Begin to fetch images that will be read soon."""
        for number, rests in self._by_part(names).items():
            self._parts[number].read_ahead(rests)

    def cancel_reads(self) -> None:
        """End reads of other threads that wait for another host."""
        for part in self._parts:
            part.cancel_reads()

    def stats(self, names: Sequence[str]) -> list[ImageStat | None]:
        """Return size and version of many images, part by part."""
        found = {}
        for number, rests in self._by_part(names).items():
            for rest, stat in zip(rests, self._parts[number].stats(rests), strict=True):
                found[f"{number}/{rest}"] = stat
        return [found.get(name) for name in names]

    def names(self) -> Iterator[str]:
        """Yield the name of every file, part by part."""
        for number, part in enumerate(self._parts):
            for name in part.names():
                yield f"{number}/{name}"

    def _by_part(self, names: Iterable[str]) -> dict[int, list[str]]:
        """Return the names of images in each part. Names of no part are left out: reading them is the error."""
        parts: dict[int, list[str]] = {}
        for name in names:
            number, _, rest = name.partition("/")
            if number.isdecimal() and int(number) < len(self._parts) and rest:
                parts.setdefault(int(number), []).append(rest)
        return parts

    def _routed(self, name: str) -> tuple[ImageSource, str]:
        number, _, rest = name.partition("/")
        if not number.isdecimal() or int(number) >= len(self._parts) or not rest:
            cause = f"the name does not begin with the number of one of {len(self._parts)} image folders"
            raise ImageError(name, "missing", cause)
        return self._parts[int(number)], rest
