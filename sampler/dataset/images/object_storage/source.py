"""Images in object storage as an image source.

Requests run on an event loop in a thread of each process, which starts with the first request. The client does not work
in a process that was forked after that. Workers are not forked; they open the source themselves.
"""

import asyncio
import math
import os
import posixpath
import threading
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import ClassVar

from sampler.dataset.image_names import name_fault
from sampler.dataset.images.object_storage.loop_thread import LoopThread
from sampler.dataset.images.object_storage.objects import Fetched, Objects
from sampler.dataset.images.object_storage.read_ahead import MOST_BYTES, REQUESTS, ReadAhead
from sampler.dataset.images.object_storage.urls import ObjectUrl
from sampler.dataset.images.source import ImageSource, ImageStat
from sampler.errors import ImageError, ImageSourceError
from sampler.printable import printable

CLIENT_BYTES = 64 << 20
"""Memory of the client's threads and connections."""

LISTED_FROM = 256
"""Number of images from which on the objects are listed to learn their states, a thousand with each request. For fewer
images, and where lists are not possible, each object is asked for its state."""

LISTED_FACTOR = 4
"""A list that has this many times as many objects as there are images is given up: they share their prefix with others,
perhaps many more."""


class ObjectStorage(ImageSource):
    """The objects below a URL.

    The version of an image is the ETag of its object; where a server has none, the time of its last change.
    """

    is_remote = True
    read_seconds = math.inf  # large objects on a slow link take longer than any limit that suits others
    read_ahead_bytes = MOST_BYTES + CLIENT_BYTES

    _process: ClassVar[int] = 0
    """The process that made the first request, of any source; 0 before it."""

    def __init__(self, url: str) -> None:
        """Use the objects below `url`, without any request yet. Raises ImageSourceError if it is invalid."""
        self._url = ObjectUrl.parse(url)
        self._objects = Objects(self._url)
        self._ahead = ReadAhead(self._objects.get)
        self._thread: LoopThread | None = None
        self._starting = threading.Lock()

    def __repr__(self) -> str:
        return f"ObjectStorage({str(self._url)!r})"

    @property
    def identity(self) -> str:
        """The URL. Endpoint and account are no part of it: the same images may be reached in several ways."""
        return str(self._url)

    def describe(self, name: str) -> str:
        """Return the URL of the object."""
        return f"{self._url}/{name}" if name else str(self._url)

    def stat(self, name: str) -> ImageStat:
        """Return size and version of the object: of the content that the next `read` returns, if it was read ahead."""
        return self._running().run(self._stat(self._key(name)))

    def read(self, name: str, limit: int) -> bytes:
        """Return the content of the object."""
        return self.read_versioned(name, limit)[0]

    def read_versioned(self, name: str, limit: int) -> tuple[bytes, ImageStat]:
        """Return the content of the object, and the state in which it was read."""
        admit = partial(self.check_size, name, limit=limit)
        found: Fetched = self._running().run(self._ahead.take(self._key(name), admit))
        return self.check_content(name, bytes(found.data)), found.stat

    def read_range(self, name: str, start: int, length: int) -> bytes:
        """Return a part of the content of the object."""
        return self._running().run(self._objects.get_range(self._key(name), start, length))

    def read_ahead(self, names: Iterable[str]) -> None:
        """Begin to fetch objects. Memory and requests are bounded; what does not fit is fetched when it is read."""
        keys = [posixpath.normpath(name) for name in names if not name_fault(name)]
        if keys:
            self._running().call(self._ahead.announce, keys)

    def cancel_reads(self) -> None:
        """End what waits for objects in other threads."""
        if self._thread is not None:
            self._thread.cancel()

    def stats(self, names: Sequence[str]) -> list[ImageStat | None]:
        """Return the states of objects: of many from a list, of few from a request for each."""
        keys = [None if name_fault(name) else posixpath.normpath(name) for name in names]
        wanted = {key for key in keys if key is not None}
        found: dict[str, ImageStat] | None = None
        if len(wanted) >= LISTED_FROM and self._url.can_list:
            found = self._listed(wanted)
        if found is None:
            found = self._running().run(self._stats(sorted(wanted)))
        return [None if key is None else found.get(key) for key in keys]

    def names(self) -> Iterator[str]:
        """Yield the name of every object below the URL. Raises ImageSourceError, always for web servers."""
        self._running()  # raises in a fork, where a list would never end
        return (name for name, _ in self._objects.list())

    async def _stat(self, key: str) -> ImageStat:
        return await self._ahead.stat(key) or await self._objects.head(key)

    def _listed(self, wanted: set[str]) -> dict[str, ImageStat] | None:
        """Return the states of those objects that exist; None if they cannot be learnt from a list."""
        self._running()  # raises in a fork, where a list would never end
        found: dict[str, ImageStat] = {}
        try:
            for number, (name, stat) in enumerate(self._objects.list()):
                if number == LISTED_FACTOR * len(wanted):
                    return None
                if name in wanted:
                    found[name] = stat
        except ImageSourceError:  # such as a permission to read, but not to list
            return None
        return found

    async def _stats(self, keys: Sequence[str]) -> dict[str, ImageStat]:
        """Return the states of those objects that exist, from a request for each, some of them at once."""
        found: dict[str, ImageStat] = {}
        rest = iter(keys)

        async def ask() -> None:
            for key in rest:
                try:
                    found[key] = await self._objects.head(key)
                except ImageError:
                    continue  # not found

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(REQUESTS, len(keys))):
                    group.create_task(ask())
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return found

    def _key(self, name: str) -> str:
        fault = name_fault(name)
        if fault:
            raise ImageError(self.describe(name), "unreadable", fault)
        return posixpath.normpath(name)

    def _running(self) -> LoopThread:
        """Return the thread of this process. Raises ImageSourceError in a process in which the client does not work."""
        ObjectStorage._process = ObjectStorage._process or os.getpid()
        if ObjectStorage._process != os.getpid():
            cause = "this process was forked after images were read from object storage"
            remedy = "start processes with 'spawn', or read no image before they are forked"
            raise ImageSourceError(f"{printable(str(self._url))}: {cause}; {remedy}")
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._thread = LoopThread()
        return self._thread
