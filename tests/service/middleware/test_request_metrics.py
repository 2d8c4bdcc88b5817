"""Requests are counted under the name of their route, and their bytes while they are sent."""

import asyncio
import re
from collections.abc import Sequence
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.types import Message, Receive, Scope, Send

from service.app import create_app
from service.contract.methods import Endpoints
from service.metrics import Metrics
from service.middleware.request_metrics import RequestMetrics
from tests.support.routes import routes

START: Message = {"type": "http.response.start", "status": 200, "headers": []}


def endpoints() -> Endpoints:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    for path in ("/v1/stream", "/explore/{index}", "/explore/{index}/picture", "/explore/newest"):
        app.add_api_route(path, lambda: None)
    return Endpoints.of(app.routes)


def piece(size: int, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": memoryview(bytes(size)), "more_body": more}


def sent_by(metrics: Metrics, path: str, messages: Sequence[Message], error: Exception | None = None) -> list[float]:
    """Handle a request with these messages; return the bytes that were counted when each was sent."""
    counted = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)
        if error is not None:
            raise error

    async def send(message: Message) -> None:
        counted.append(metrics.sent_bytes.total())

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    scope: dict[str, Any] = {"type": "http", "path": path, "headers": []}
    asyncio.run(RequestMetrics(app, metrics, endpoints())(scope, receive, send))
    return counted


def test_the_bytes_of_a_stream_are_counted_while_it_is_sent() -> None:
    metrics = Metrics()
    assert sent_by(metrics, "/v1/stream", [START, piece(1000), piece(2000), piece(0, more=False)]) == [
        0, 1000, 3000, 3000,
    ]  # fmt: skip
    assert metrics.sent_bytes.values == {("/v1/stream",): 3000}


def test_a_request_is_open_until_its_response_is_complete() -> None:
    metrics = Metrics()
    open_requests = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        open_requests.append(metrics.open_requests.total())
        await send(START)
        await send(piece(10, more=False))
        open_requests.append(metrics.open_requests.total())

    async def nothing(*_: object) -> Any:
        return {}

    asyncio.run(RequestMetrics(app, metrics, endpoints())({"type": "http", "path": "/v1/stream"}, nothing, nothing))
    assert open_requests == [1, 0]
    assert metrics.requests_started.values == {("/v1/stream",): 1}
    assert metrics.requests.values == {("/v1/stream", "200"): 1}
    assert metrics.request_seconds.of(("/v1/stream",)).count == 1


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v1/stream", "/v1/stream"),
        ("/explore/33", "/explore/{index}"),
        ("/explore/newest", "/explore/newest"),
        ("/explore/33/picture", "/explore/{index}/picture"),
        ("/explore/33/other", "unmatched"),
        ("/../etc/passwd", "unmatched"),
        ("", "unmatched"),
    ],
)
def test_a_request_has_the_name_of_its_route_and_never_its_path(path: str, route: str) -> None:
    metrics = Metrics()
    sent_by(metrics, path, [START, piece(0, more=False)])
    assert metrics.requests.values == {(route, "200"): 1}


def test_every_route_of_the_app_has_its_name() -> None:
    app = create_app()
    known: list[Any] = [one.kwargs["endpoints"] for one in app.user_middleware if "endpoints" in one.kwargs]
    assert len(known) == 3
    for route in routes(app):
        assert {one.name(re.sub(r"{.*?}", "7", route.path)) for one in known} == {route.path}


def test_the_first_error_of_each_route_is_an_increase_from_zero() -> None:
    app = create_app()
    shown = app.state.metrics.requests.values
    assert {(route.path, "500"): 0 for route in routes(app)}.items() <= shown.items()


def test_a_client_that_disconnects_before_the_response_counts_as_499() -> None:
    metrics = Metrics()
    sent_by(metrics, "/v1/stream", [])
    assert metrics.requests.values == {("/v1/stream", "499"): 1}
    assert metrics.open_requests.total() == 0


def test_an_unexpected_error_counts_as_500() -> None:
    metrics = Metrics()
    with pytest.raises(RuntimeError):
        sent_by(metrics, "/v1/stream", [], RuntimeError("a bug"))
    assert metrics.requests.values == {("/v1/stream", "500"): 1}
