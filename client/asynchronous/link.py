"""Requests of a client for asyncio: batches, and documents such as a spec."""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import httpx

from client.batches import PackedBatch
from client.errors import ClientError
from client.process_owner import ProcessOwner
from client.protocol.exchange import Exchange
from client.protocol.session import Delivery
from client.transport.failures import client_errors, require_open
from client.transport.pace import FINISH_SECONDS, OutOfTimeError, Pace, count_piece, head_seconds


class AsyncLink:
    """The response that a delivery reads from; opened when needed, and again after a break."""

    def __init__(self, http: httpx.AsyncClient, delivery: Delivery, owner: ProcessOwner, pace: Pace) -> None:
        self.pace = pace
        self._http = http
        self._delivery = delivery
        self._owner = owner
        self._response: httpx.Response | None = None
        self._chunks: AsyncIterator[bytes]

    async def next(self, pace: Pace) -> PackedBatch | None:
        """Make one attempt at the next batch. None: every batch was taken."""
        if self._delivery.done:
            pace.begin(FINISH_SECONDS)
        else:
            require_open(self._http)
        if self._response is None:
            if self._delivery.done:
                return None
            self._delivery.start()
        try:
            with client_errors(self._delivery.exchange):
                async with _limited(pace):
                    return await self._advance(pace)
        except BaseException as error:
            await self.close()
            if isinstance(error, ClientError) and self._delivery.settled(error):
                return None
            raise

    async def _advance(self, pace: Pace) -> PackedBatch | None:
        if self._response is None:
            self._response = await open_response(self._http, self._delivery.exchange, pace)
            self._chunks = self._response.aiter_raw()
        while (packed := self._delivery.take()) is None:
            chunk = await anext(self._chunks, None)
            if chunk is None:
                await self.close()
                self._delivery.end()
                return None
            count_piece(pace, len(chunk))
            self._delivery.feed(chunk)
        return packed

    async def finish(self) -> None:
        """Read the end of the response after its last batch, so that the connection can be reused."""
        if self._response is not None:
            await self.next(self.pace)  # not retried: if the response breaks here, nothing is missing

    async def close(self) -> None:
        """Release the connection. A fork leaves it alone: its parent may be reading from it."""
        response, self._response = self._response, None
        if response is not None and self._owner.here:
            await response.aclose()


async def open_response(http: httpx.AsyncClient, exchange: Exchange, pace: Pace) -> httpx.Response:
    """Send a request and return its response, whose status is 200. Raises `ClientError` and the transport's errors."""
    require_open(http)
    timeout = pace.attempt(http.timeout)
    request = http.build_request(
        exchange.method, exchange.url, json=exchange.body, headers=exchange.headers, timeout=timeout,
        extensions=exchange.extensions,
    )  # fmt: skip
    response = await _send(http, request, head_seconds(timeout))
    try:
        if not exchange.begin(response.status_code, response.headers):
            document = await _read_document(response, exchange, pace)
            raise exchange.refusal(response.status_code, response.headers, document)
    except BaseException:
        await response.aclose()
        raise
    return response


async def fetch_document(http: httpx.AsyncClient, exchange: Exchange, pace: Pace) -> bytes:
    """Make one attempt at a document. Raises `ClientError`."""
    with client_errors(exchange):
        async with _limited(pace), aclosing(await open_response(http, exchange, pace)) as response:
            return await _read_document(response, exchange, pace)


async def ask_ready(http: httpx.AsyncClient, exchange: Exchange, pace: Pace) -> None:
    """Return if a server accepts requests now. Raises `ClientError` if it does not."""
    with client_errors(exchange):
        async with _limited(pace), aclosing(await open_response(http, exchange, pace)):
            pass


@asynccontextmanager
async def _limited(pace: Pace) -> AsyncGenerator[None]:
    """Raise `OutOfTimeError` at the deadline, wherever the block waits."""
    try:
        async with asyncio.timeout(None if pace.left == math.inf else pace.left):
            yield
    except TimeoutError as error:
        raise OutOfTimeError from error


async def _send(http: httpx.AsyncClient, request: httpx.Request, seconds: float | None) -> httpx.Response:
    try:
        async with asyncio.timeout(seconds):
            return await http.send(request, stream=True)
    except TimeoutError as error:
        raise httpx.ReadTimeout(f"no complete head within {seconds} s") from error


async def _read_document(response: httpx.Response, exchange: Exchange, pace: Pace) -> bytes:
    document = bytearray()
    async for chunk in response.aiter_raw():
        document += chunk
        count_piece(pace, len(chunk))
        if exchange.complete(len(document)):
            break
    return bytes(document)
