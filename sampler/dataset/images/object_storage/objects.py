"""Requests to object storage, with timeouts and retries. Their errors are those of image sources.

The client obstore repeats requests that fail with a status of 5xx or without a response. It does not repeat a response
whose body ends early, so requests as a whole are repeated here.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from obstore.exceptions import BaseError, NotSupportedError
from obstore.store import AzureStore, GCSStore, HTTPStore, S3Store

from sampler.dataset.images.object_storage.failures import VARIABLES, explain, is_transient, reason, status
from sampler.dataset.images.object_storage.urls import ObjectUrl
from sampler.dataset.images.source import ImageStat
from sampler.errors import ImageSourceError

if TYPE_CHECKING:
    from obstore import Bytes, ObjectMeta
    from obstore.store import ClientConfig, RetryConfig

REQUEST_SECONDS = 20.0
"""Time for a request with all its repetitions. The content of an object adds to it; see LEAST_RATE."""

LEAST_RATE = 16 << 10
"""Bytes per second at which the content of an object must arrive. So low that a full link ends no request that makes
progress: what has arrived would be requested again."""

_PAUSES = (0.1, 0.4, 1.6)
"""Seconds before each repetition of a request that obstore has given up, or whose body was cut."""

_CLIENT: "ClientConfig" = {
    "connect_timeout": timedelta(seconds=3),
    "read_timeout": timedelta(seconds=5),
    "timeout": timedelta(days=1),  # REQUEST_SECONDS and LEAST_RATE limit the whole request
    "allow_http": True,  # such as an endpoint in the same cluster; its URL says so
    "pool_idle_timeout": timedelta(seconds=30),
    "user_agent": "saccade-sampler",
}
_RETRIES: "RetryConfig" = {
    "max_retries": 8,
    "retry_timeout": timedelta(seconds=15),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=3), "base": 2},
}

T = TypeVar("T")
Admit = Callable[[int], None]
"""Called with the length of an object before its content is read; raises an error to refuse it."""


class Fetched(NamedTuple):
    """The content of an object, in memory of the client, and its state when it was read."""

    data: "bytes | Bytes"
    stat: ImageStat


class CutError(Exception):
    """A response whose body has fewer bytes than announced."""


class Objects:
    """The objects below a URL. Raises ImageError for an object, ImageSourceError if nothing was learnt about it."""

    def __init__(self, url: ObjectUrl) -> None:
        """Make no request yet. Raises ImageSourceError if environment variables for the storage are invalid."""
        self._url = url
        try:
            self._store = _open(url)
        except (BaseError, ValueError) as error:
            # Without its chain: messages of obstore may quote what is set.
            cause = f"the settings of the storage are invalid ({type(error).__name__})"
            raise ImageSourceError(f"{url}: {cause}; check {VARIABLES[url.scheme]}") from None

    async def get(self, name: str, admit: Admit) -> Fetched:
        """Return the content of an object. An error that `admit` raises is passed on."""
        began = asyncio.get_running_loop().time()

        async def request(limit: asyncio.Timeout) -> Fetched:
            response = await self._store.get_async(name)
            stat = _stat(response.meta)
            admit(stat.size)
            limit.reschedule(began + REQUEST_SECONDS + stat.size / LEAST_RATE)
            data = await response.bytes_async()
            if len(data) != stat.size:
                raise CutError(f"{len(data)} of {stat.size} bytes arrived")
            return Fetched(data, stat)

        return await self._repeated(name, request)

    async def get_range(self, name: str, start: int, length: int) -> bytes:
        """Return up to `length` bytes of an object from byte `start` on."""

        async def request(_limit: asyncio.Timeout) -> bytes:
            try:
                return bytes(await self._store.get_range_async(name, start=start, length=length))
            except NotSupportedError:  # by a simple web server
                whole = await (await self._store.get_async(name)).bytes_async()
                return bytes(whole)[start : start + length]
            except BaseError as error:
                if status(error).startswith("416"):  # the object ends before
                    return b""
                raise

        return await self._repeated(name, request)

    async def head(self, name: str) -> ImageStat:
        """Return size and version of an object."""

        async def request(_limit: asyncio.Timeout) -> ImageStat:
            return _stat(await self._store.head_async(name))

        return await self._repeated(name, request)

    def list(self) -> Iterator[tuple[str, ImageStat]]:
        """Yield name, size and version of every object. Raises ImageSourceError."""
        if not self._url.can_list:
            raise ImageSourceError(f"{self._url}: cannot be listed: web servers do not list their files")
        try:
            for page in self._store.list(chunk_size=1000):
                for meta in page:
                    yield meta["path"], _stat(meta)
        except (BaseError, OSError) as error:
            raise ImageSourceError(f"{self._url}: cannot be listed: {reason(error)}") from None

    async def _repeated(self, name: str, request: Callable[[asyncio.Timeout], Awaitable[T]]) -> T:
        """Return the result of a request, which may extend the limit on its time. Raises SamplerError."""
        try:
            return await _with_repetitions(request)
        except (BaseError, CutError, OSError, ValueError) as error:
            # Without its chain: a message of obstore may have a signed URL.
            raise explain(error, self._url, name) from None


async def _with_repetitions(request: Callable[[asyncio.Timeout], Awaitable[T]]) -> T:
    """Return the result of a request. Raises its last error; TimeoutError if it had none before the time was up."""
    last: Exception = TimeoutError("no complete response in time")
    with suppress(TimeoutError):
        async with asyncio.timeout(REQUEST_SECONDS) as limit:
            for pause in (*_PAUSES, 0.0):
                try:
                    return await request(limit)
                except (BaseError, CutError) as error:
                    if not is_transient(error):
                        raise
                    last = error
                await asyncio.sleep(pause)
    raise last


def _open(url: ObjectUrl) -> S3Store | GCSStore | AzureStore | HTTPStore:
    if url.scheme in ("https", "http"):
        return HTTPStore.from_url(str(url), client_options=_CLIENT, retry_config=_RETRIES)
    kinds: dict[str, type[S3Store] | type[GCSStore] | type[AzureStore]]
    kinds = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}
    return kinds[url.scheme](url.bucket, prefix=url.prefix or None, client_options=_CLIENT, retry_config=_RETRIES)


def _stat(meta: "ObjectMeta") -> ImageStat:
    """Return size and version of an object. Some services quote the ETag in responses, but not in lists."""
    tag = (meta["e_tag"] or "").removeprefix("W/").strip('"')
    return ImageStat(meta["size"], f"ETag {tag}" if tag else meta["last_modified"].isoformat())
