"""The guard lets no request through without the token, whatever its headers are."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from service.access.credentials import Credentials
from service.access.exposure import Exposure
from service.access.policy import AccessPolicy
from service.metrics import Metrics
from service.middleware.guard import Guard

CREDENTIALS = Credentials("correct-horse-battery")
BEARER = (b"authorization", b"Bearer correct-horse-battery")
NAMES = [b"host", b"origin", b"authorization", b"cookie", b"accept", b"sec-fetch-site", b"sec-fetch-mode", b"x"]
WORDS = [
    b"Bearer ",
    b"bearer",
    b"correct-horse-batter",
    b"=",
    b"; ",
    b"text/html",
    b"http://",
    b"localhost",
    b"[::1]:80",
]

values = st.binary(max_size=40) | st.lists(st.sampled_from(WORDS), max_size=4).map(b"".join)
header_lists = st.lists(st.tuples(st.sampled_from(NAMES), values), max_size=8)
paths = st.sampled_from(["/", "/v1/spec", "/explore/1", "/metrics", "/nowhere", "/healthzz", "/a/healthz", "/login/"])


def statuses(policy: AccessPolicy, method: str = "GET", path: str = "/v1/spec", **scope: Any) -> list[int]:
    """Return the status of the response to a request; 200 if the guard lets it through."""
    sent: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        sent.append(200)

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            sent.append(message["status"])

    async def receive() -> Message:
        raise AssertionError("a request is refused before its body is read")

    state = SimpleNamespace(access=policy, exposure=Exposure(policy))
    whole = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "root_path": "",
        "query_string": b"", "headers": [], "server": ("127.0.0.1", 1), "app": SimpleNamespace(state=state),
    }  # fmt: skip
    asyncio.run(Guard(app, Metrics())(whole | scope, receive, send))
    return sent


@given(headers=header_lists, path=paths, method=st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "DELETE"]))
def test_no_headers_without_the_token_let_a_request_through(
    headers: list[tuple[bytes, bytes]], path: str, method: str
) -> None:
    (status,) = statuses(AccessPolicy(CREDENTIALS), method, path, headers=headers)
    assert status in (401, 403, 421, 422)


@given(query=st.binary(max_size=60))
def test_no_query_lets_a_request_through_or_breaks_the_guard(query: bytes) -> None:
    assert statuses(AccessPolicy(CREDENTIALS), query_string=query) == [401]
    assert statuses(AccessPolicy(CREDENTIALS), query_string=query, headers=[BEARER]) in ([200], [401])


@pytest.mark.parametrize(
    ("root", "path", "status"),
    [
        ("", "/healthz", 200),
        ("/sampler", "/sampler/healthz", 200),
        ("/sampler/", "/sampler/readyz", 200),
        ("/sampler", "/samplerhealthz", 401),
        ("/sampler", "/sampler/sampler/healthz", 401),
        ("/healthz", "/healthz/v1/spec", 401),
        ("", "/HEALTHZ", 401),
    ],
)
def test_only_the_probes_themselves_need_no_token(root: str, path: str, status: int) -> None:
    assert statuses(AccessPolicy(CREDENTIALS), path=path, root_path=root) == [status]


@pytest.mark.parametrize("name", [b"authorization", b"host", b"origin"])
def test_a_header_that_decides_and_is_repeated_is_refused(name: bytes) -> None:
    assert statuses(AccessPolicy(CREDENTIALS), headers=[BEARER, (name, b"a"), (name, b"a")]) == [422]


def test_what_is_no_http_request_passes() -> None:
    assert statuses(AccessPolicy(CREDENTIALS), type="lifespan") == [200]
