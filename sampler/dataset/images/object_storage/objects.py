"""Requests to object storage, with timeouts and retries. Their errors are those of image sources.

The client obstore repeats requests that fail with a status of 5xx or without a response. It does not repeat a response
whose body ends early, so requests as a whole are repeated here.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from obstore.exceptions import BaseError, NotSupportedError, PermissionDeniedError, UnauthenticatedError
from obstore.store import AzureStore, GCSStore, HTTPStore, S3Store

from sampler.dataset.images.object_storage.urls import ObjectUrl
from sampler.dataset.images.source import ImageStat
from sampler.errors import ImageError, ImageSourceError, SamplerError
from sampler.printable import printable

if TYPE_CHECKING:
    from obstore import ObjectMeta
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

_STATUS = re.compile(r"status code: (\d{3}[A-Za-z ]*)")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound")
_CAUSE = re.compile(r" - (?:HTTP error: )?([^\n]*)")
_QUERY = re.compile(r"\?\S*")
_METADATA_HOSTS = ("169.254.169.254", "metadata.google.internal")
"""Where a client looks for credentials if none are set."""

T = TypeVar("T")
Admit = Callable[[int], None]
"""Called with the length of an object before its content is read; raises an error to refuse it."""


class Fetched(NamedTuple):
    """The content of an object, and its state when it was read."""

    data: bytes
    stat: ImageStat


class CutError(Exception):
    """A response whose body has fewer bytes than announced."""


class Objects:
    """The objects below a URL. Raises ImageError for an object, ImageSourceError if nothing was learnt about it."""

    def __init__(self, url: ObjectUrl) -> None:
        """Make no request yet. Raises ImageSourceError if environment variables for the storage are invalid."""
        self._url = url
        self._variables = _VARIABLES[url.scheme]
        try:
            self._store = _open(url)
        except (BaseError, ValueError) as error:
            # Without its chain: messages of obstore may quote what is set.
            cause = f"the settings of the storage are invalid ({type(error).__name__})"
            raise ImageSourceError(f"{url}: {cause}; check {self._variables}") from None

    async def get(self, name: str, admit: Admit) -> Fetched:
        """Return the content of an object. An error that `admit` raises is passed on."""
        began = asyncio.get_running_loop().time()

        async def request(limit: asyncio.Timeout) -> Fetched:
            response = await self._store.get_async(name)
            stat = _stat(response.meta)
            admit(stat.size)
            limit.reschedule(began + REQUEST_SECONDS + stat.size / LEAST_RATE)
            data = bytes(await response.bytes_async())
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
                if _status(error).startswith("416"):  # the object ends before
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
            raise ImageSourceError(f"{self._url}: cannot be listed: {_reason(error)}") from None

    async def _repeated(self, name: str, request: Callable[[asyncio.Timeout], Awaitable[T]]) -> T:
        """Return the result of a request, which may extend the limit on its time. Raises SamplerError."""
        try:
            async with asyncio.timeout(REQUEST_SECONDS) as limit:
                return await _with_repetitions(partial(request, limit))
        except (BaseError, CutError, OSError, ValueError) as error:
            # Without its chain: a message of obstore may have a signed URL.
            raise self._explained(error, f"{self._url}/{name}") from None

    def _explained(self, error: Exception, where: str) -> SamplerError:
        """Return the error of image sources for a failed request, which says what to do."""
        code = _code(error)
        if isinstance(error, FileNotFoundError) and code not in _NO_BUCKET:
            cause = "the object does not exist; upload it, or correct the prefix in SAMPLER_IMAGES"
            return ImageError(where, "missing", cause)
        if isinstance(error, ValueError):
            return ImageError(where, "unreadable", f"not the name of an object: {printable(str(error))}")
        if code in _NO_BUCKET:
            cause = f"bucket or container {self._url.bucket!r} does not exist ({code}); correct SAMPLER_IMAGES"
        elif isinstance(error, PermissionDeniedError | UnauthenticatedError):
            cause = self._denied(code)
        elif _status(error).startswith("400") and self._url.can_list:
            cause = f"refused: {_reason(error)}; check credentials and region in {self._variables}"
        elif any(host in str(error) for host in _METADATA_HOSTS):
            cause = f"no credentials were found; set {self._variables}, or …_SKIP_SIGNATURE=true for public objects"
        elif isinstance(error, TimeoutError):
            cause = f"no complete response within {REQUEST_SECONDS:g} s; check network and endpoint"
        else:
            cause = f"cannot be fetched: {_reason(error)}; check network and endpoint"
        return ImageSourceError(f"{printable(where)}: {cause}")

    def _denied(self, code: str) -> str:
        if not self._url.can_list:
            return "access is denied; let the web server send images without credentials"
        shown = f" ({code})" if code else ""
        hint = "; S3 also denies access to missing objects if listing is not allowed"
        unknown = self._url.scheme == "s3" and code in ("", "AccessDenied")
        return f"access is denied{shown}; check the credentials in {self._variables}{hint if unknown else ''}"


async def _with_repetitions(request: Callable[[], Awaitable[T]]) -> T:
    for pause in _PAUSES:
        try:
            return await request()
        except (BaseError, CutError) as error:
            if not _is_transient(error):
                raise
        await asyncio.sleep(pause)
    return await request()


_VARIABLES = {
    "s3": "the variables AWS_…",
    "gs": "the variables GOOGLE_…",
    "az": "the variables AZURE_…, such as AZURE_STORAGE_ACCOUNT_NAME",
    "https": "the URL",
    "http": "the URL",
}
"""What each kind of storage is set with."""


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


def _is_transient(error: Exception) -> bool:
    """Return whether a request may succeed if it is repeated."""
    if isinstance(error, PermissionDeniedError | UnauthenticatedError | NotSupportedError):
        return False
    status = _status(error)[:3]
    return not status.startswith("4") or status in ("408", "429")


def _status(error: Exception) -> str:
    """Return the status of the response that an error is about, such as "503 Service Unavailable"; "" if none."""
    found = _STATUS.search(str(error))
    return found[1].strip() if found else ""


def _code(error: Exception) -> str:
    """Return the code in the response that an error is about, such as "SlowDown"; "" if none."""
    found = _CODE.search(str(error))
    return found[1] if found else ""


def _reason(error: Exception) -> str:
    """Return the cause of an error in a few words, without queries of URLs, which may be signed."""
    text = str(error)
    status, code, cause = _status(error), _code(error), _CAUSE.search(text)
    if status:
        return f"status {status} ({code})" if code else f"status {status}"
    return printable(_QUERY.sub("", cause[1] if cause else text.partition("\n")[0])[:200])
