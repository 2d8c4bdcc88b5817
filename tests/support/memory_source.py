"""An image source in memory: shows that no image needs a file system."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from sampler.dataset.images.source import ImageSource, ImageStat
from sampler.errors import ImageError


class MemorySource(ImageSource):
    """Images by name. Versions are hashes of the content, not numbers as in a local folder."""

    def __init__(self, images: dict[str, bytes]) -> None:
        self.images = images

    @classmethod
    def copy_of(cls, folder: Path) -> "MemorySource":
        return cls({file.name: file.read_bytes() for file in folder.iterdir()})

    @property
    def identity(self) -> str:
        return "memory://test"

    def describe(self, name: str) -> str:
        return f"memory://test/{name}"

    def stat(self, name: str) -> ImageStat:
        data = self._data(name)
        return ImageStat(len(data), hashlib.sha256(data).hexdigest())

    def read_range(self, name: str, start: int, length: int) -> bytes:
        return self._data(name)[start : start + length]

    def names(self) -> Iterator[str]:
        return iter(self.images)

    def _data(self, name: str) -> bytes:
        if name not in self.images:
            raise ImageError(self.describe(name), "missing", "there is no such object")
        return self.images[name]
