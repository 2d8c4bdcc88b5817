"""What the app does differently in a replica of Ray Serve."""

import asyncio
import json
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from service.middleware.behind_ray import BehindRay


class ProxyReceive:
    """The `receive` of a request that Ray's Python proxy passes on."""

    async def __call__(self) -> Message:
        return {"type": "http.request"}

    async def fetch_until_disconnect(self) -> None:
        """Ray calls this."""


async def receive_directly() -> Message:
    return {"type": "http.request"}


def messages_for(receive: Receive) -> list[Message]:
    """The messages that a client gets."""
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/plain"), (b"x-request-id", b"of-the-app")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": memoryview(b"batch")})

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/v1/batches", "headers": []}
    asyncio.run(BehindRay(app)(scope, receive, send))
    return sent


def test_a_request_of_haproxy_gets_the_response_without_an_id_of_the_apps_own() -> None:
    start, body = messages_for(receive_directly)
    assert start["headers"] == [(b"content-type", b"text/plain")]
    assert body["body"] == b"batch"


def test_a_request_of_the_python_proxy_gets_503_so_that_the_client_tries_again() -> None:
    start, body = messages_for(ProxyReceive())
    assert start["status"] == 503
    assert dict(start["headers"])[b"retry-after"] == b"1"
    assert json.loads(body["body"])["type"] == "urn:saccade-sampler:problem:not-ready"
    assert isinstance(body["body"], bytes)
