"""The line of a request in the log: one line with the same fields, whatever a client sends."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message

from service.contract.methods import Endpoints
from service.log_lines import FORMAT, JsonFormatter, OneLineFormatter, add_request_id
from service.middleware.request_log import RequestLog

FIELDS = ("date", "time", "level", "id", "logger", "client", "method", "target", "status", "size", "bytes", "duration",
          "ms", "outcome")  # fmt: skip

HOSTILE = st.text(st.sampled_from(" \t\n\r\v\f\x00\x1b\x1c\x7f\x85\xa0\u2028\u2029\u202e\u3000\ufeff\"'\\[]%ä"))
TEXT = st.text(alphabet=st.characters(exclude_categories=())) | HOSTILE
"""Also surrogates, as undecodable bytes become."""


ENDPOINTS = Endpoints.of([Route(path, lambda _: Response()) for path in ("/v1/spec", "/v1/image/{id}", "/status.json")])


@contextmanager
def log_of_requests(formatter: logging.Formatter | None = None) -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter or OneLineFormatter(FORMAT))
    handler.addFilter(add_request_id)
    logger = logging.getLogger("saccade_sampler.requests")
    level, propagate = logger.level, logger.propagate
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.addHandler(handler)
    try:
        yield stream
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


def logged(outcome: str | None = None, formatter: logging.Formatter | None = None, **changed: Any) -> str:
    """Return what is logged for a request with these values in its scope."""
    scope = {
        "type": "http", "method": "GET", "path": "/v1/spec", "query_string": b"", "client": ("127.0.0.1", 1),
        "headers": [], "state": {} if outcome is None else {"outcome": outcome},
        "app": SimpleNamespace(state=SimpleNamespace(access=SimpleNamespace(credentials=None))),
    } | changed  # fmt: skip

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        pass

    with log_of_requests(formatter) as stream:
        asyncio.run(RequestLog(app, ENDPOINTS)(scope, receive, send))
    return stream.getvalue()


@given(client=TEXT, method=TEXT, path=TEXT, query=st.binary(), request_id=st.binary(), host=st.binary())
@example("1.2.3.4 GET / 200", "GET", "/a b", b"x= y", b"id id", b"a b")
@example("1.2.3.4\n2026-01-01 00:00:00,000 INFO", "GET", "/\x85\u2028", b"\n\x1b[2J", b"\n", b"\n")
@example("", "", "", b"", b"", b"")
def test_a_request_is_one_line_with_the_same_fields(
    client: str, method: str, path: str, query: bytes, request_id: bytes, host: bytes
) -> None:
    line = logged(
        client=(client, 1), method=method, path=path, query_string=query,
        headers=[(b"x-request-id", request_id), (b"host", host)],
    )  # fmt: skip
    assert line.endswith("\n")
    assert line[:-1].isprintable()
    fields = dict(zip(FIELDS, line.split(), strict=True))
    assert fields["logger"] == "saccade_sampler.requests:"
    assert (fields["status"], fields["bytes"], fields["ms"]) == ("200", "bytes", "ms")


@pytest.mark.parametrize("outcome", [None, "complete", "failed", "abandoned", "stalled", "cut"])
def test_each_outcome_is_one_word(outcome: str | None) -> None:
    assert len(logged(outcome).split()) == len(FIELDS)


@pytest.mark.parametrize(
    ("client", "shown"),
    [
        (("10.0.0.1", 1), "10.0.0.1"),
        (("fe80::1%eth0", 1), "fe80::1%eth0"),
        (("unknown", 0), "unknown"),
        (("10.0.0.1 GET /forged 200", 0), "10.0.0.1\\x20GET\\x20/forged\\x20200"),
        (("x" * 500, 0), "x" * 64 + "…"),
        (("", 0), "-"),
        (None, "-"),
    ],
)
def test_the_address_of_a_client_is_one_word(client: object, shown: str) -> None:
    assert logged(client=client).split()[5] == shown


def test_a_backslash_is_no_escape_of_a_client() -> None:
    assert logged(path="/a\\n b").split()[7] == "/a\\\\n\\x20b"


@pytest.mark.parametrize(
    ("path", "handled", "route", "level"),
    [
        ("/v1/image/7", False, "/v1/image/{id}", "info"),
        ("/nowhere", False, "unmatched", "info"),
        ("/status.json", True, "/status.json", "debug"),
        ("/status.json", False, "/status.json", "info"),
    ],
)
def test_a_line_names_the_route_as_the_metrics_do_also_of_a_refused_request(
    path: str, *, handled: bool, route: str, level: str
) -> None:
    scope: dict[str, Any] = {"path": path} | ({"route": object()} if handled else {})
    line = json.loads(logged(formatter=JsonFormatter(), **scope))
    assert (line["route"], line["level"]) == (route, level)
