"""One changed byte between server and client: the request is repeated, and the batch is right."""

import logging
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from client import Batch, ClientError, ProtocolError, ServerUnavailableError, TransferError
from client.protocol.exchange import Exchange, is_consistent
from client.protocol.retries import RetryHook
from sampler.arrays import LAYOUTS
from sampler.wire.messages import encode_error
from sampler.wire.problem_types import TYPE_PREFIX
from tests.support.client_twins import Make
from tests.support.flipping_proxy import FlippingProxy, flipping_proxy
from tests.support.loading import load, steps
from tests.support.scripted_server import Answer, Asked, Script, ScriptedServer, problem, scripted

STREAM: dict[str, Any] = {"seed": 3, "stop": 3, "batch_size": 2}
JSON = "application/json"
QUICK: dict[str, Any] = {"timeout": 0.5, "attempts": 12, "max_wait": 0.0}


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted() as running:
        yield running


@pytest.fixture
def proxy(server: ScriptedServer) -> Iterator[FlippingProxy]:
    with flipping_proxy(server.port) as running:
        yield running


def bytes_of(batches: list[Batch]) -> list[bytes]:
    return [array.tobytes() for batch in batches for array in batch.arrays.values()]


def chosen(length: int, count: int, seed: int) -> list[tuple[int, int]]:
    """Places in the first `length` bytes, more of them near the start, where the heads are; and changes."""
    random = np.random.default_rng(seed)
    places = np.unique((length * random.uniform(0, 1, count) ** 2).astype(int)).tolist()
    return [(place, int(random.choice([1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80, 0xFF]))) for place in places]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_changed_byte_anywhere_gives_the_right_batch(
    server: ScriptedServer, proxy: FlippingProxy, make: Make, layout: str
) -> None:
    client = make(proxy.url, **QUICK)
    expected = client.batch([3, 1], layout=layout)
    before = proxy.passed
    client.batch([3, 1], layout=layout)
    for place, change in chosen(proxy.passed - before, 16, seed=1):
        proxy.flip(place, change)
        got = client.batch([3, 1], layout=layout)
        assert bytes_of([got]) == bytes_of([expected]), (place, change)
        assert got.keys == expected.keys
        proxy.flip(1 << 60)
    assert proxy.flips > 10


@pytest.mark.parametrize("layout", ["compact", "dense"])
def test_a_changed_byte_anywhere_in_a_stream_gives_the_right_batches(
    server: ScriptedServer, proxy: FlippingProxy, make: Make, layout: str
) -> None:
    client = make(proxy.url, **QUICK)
    expected = list(client.stream(**STREAM, layout=layout))
    before = proxy.passed
    list(client.stream(**STREAM, layout=layout))
    for place, change in chosen(proxy.passed - before, 12, seed=2):
        proxy.flip(place, change)
        got = list(client.stream(**STREAM, layout=layout))
        assert [batch.step for batch in got] == [0, 1, 2]
        assert bytes_of(got) == bytes_of(expected), (place, change)
        proxy.flip(1 << 60)


@pytest.mark.parametrize("what", ["spec", "images"])
def test_a_changed_byte_anywhere_in_a_document_gives_the_right_one(
    server: ScriptedServer, proxy: FlippingProxy, make: Make, what: str
) -> None:
    def ask() -> object:
        client = make(proxy.url, **QUICK)
        return client.spec() if what == "spec" else client.images([1, 2])

    expected = ask()
    before = proxy.passed
    ask()
    for place, change in chosen(proxy.passed - before, 24, seed=3):
        proxy.flip(place, change)
        assert ask() == expected, (place, change)
        proxy.flip(1 << 60)


def test_a_changed_byte_in_an_error_never_hides_it(server: ScriptedServer, proxy: FlippingProxy, make: Make) -> None:
    client = make(proxy.url, **QUICK)
    client.spec()
    for place, change in chosen(400, 20, seed=4):
        server.script("/v1/batches", problem(503, "busy", type=f"{TYPE_PREFIX}overloaded"))
        proxy.flip(place, change)
        assert len(client.batch([3])) == 1, (place, change)
        proxy.flip(1 << 60)
        server.forget()


# --- what is said and counted ---


def flipped(server: ScriptedServer, message: int = 1) -> Script:
    def script(asked: Asked) -> Answer:
        pieces = [piece for batch in server.batches(asked) for piece in batch]
        damaged = bytearray(pieces[message])
        damaged[len(damaged) // 2] ^= 1
        pieces[message] = bytes(damaged)
        return Answer(pieces)

    return script


def test_damage_is_logged_with_the_number_of_the_attempt(
    server: ScriptedServer, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    server.script("/v1/batches", flipped(server), flipped(server))
    with caplog.at_level(logging.WARNING, "saccade_client"):
        assert len(make(server.url).batch([3, 5])) == 2
    lines = [record.getMessage() for record in caplog.records if record.name == "saccade_client"]
    assert len(lines) == 2
    assert re.search(r"^attempt 2 of 3: GET http://.*/v1/batches: corrupt: payload digest .*; trying again$", lines[1])


def test_damage_in_every_attempt_is_an_error_that_counts_it(server: ScriptedServer, make: Make) -> None:
    server.script("/v1/stream", flipped(server, 5), *[flipped(server)] * 2)
    batches = make(server.url).stream(**STREAM)
    assert next(batches).step == 0
    with pytest.raises(TransferError, match=r"3 attempts\): bytes were damaged 3 times; look for a broken") as caught:
        next(batches)
    assert (caught.value.damaged, caught.value.attempts) == (3, 3)
    assert isinstance(caught.value, ProtocolError)


def test_cuts_between_are_not_counted_as_damage() -> None:
    hook = RetryHook(4, 0.0)
    exchange = Exchange("GET", "http://host")
    errors: list[ClientError] = [exchange.damage("a"), TransferError("cut"), ServerUnavailableError("away")]
    assert all(hook(error) for error in errors)
    last = exchange.damage("b")
    hook(last)
    assert (last.damaged, last.attempts) == (2, 4)


def test_a_loader_counts_damage_and_goes_on_with_the_same_step(server: ScriptedServer) -> None:
    server.script("/v1/stream", flipped(server, 4), flipped(server))
    with load(server.url, stop=3, layout="compact", **{"batch_size": 3, "seed": 3}) as loaded:
        assert steps(loaded) == [0, 1, 2]
        assert loaded.statistics.damaged == 2
        assert loaded.statistics.restarts == 0


def test_a_loader_raises_damage_and_is_at_the_same_step(server: ScriptedServer) -> None:
    with load(server.url, stop=3, layout="compact") as loaded:
        loaded.spec()
        server.script("/v1/stream", *[flipped(server)] * 3)
        with pytest.raises(TransferError, match="damaged 3 times"):
            next(loaded)
        assert steps(loaded) == [0, 1, 2]


# --- what is no damage ---


def test_a_wrong_batch_with_the_right_digest_is_not_repeated(server: ScriptedServer, make: Make) -> None:
    server.script("/v1/batches", lambda asked: Answer(server.messages(asked, 3)))
    client = make(server.url)
    with pytest.raises(ProtocolError, match="step 3: expected step 0") as caught:
        client.batch(seed=3, step=0, batch_size=2)
    assert not isinstance(caught.value, TransferError)
    assert len(server.asked_at("/v1/batches")) == 1


@pytest.mark.parametrize(
    ("status", "kind", "repeated"),
    [(200, "text/html", False), (200, JSON, False), (200, "", True), (200, "application/x-msgpacj", True),
     (200, "application/x-msgpack X-A: b", True),
     (300, "application/x-msgpack", True), (404, "application/x-msgpack", True), (302, "", False),
     (302, "text/html", False)],
)  # fmt: skip
def test_a_response_that_is_not_ours_is_not_repeated(
    server: ScriptedServer, make: Make, status: int, kind: str, repeated: bool
) -> None:
    client = make(server.url)
    client.spec()
    server.script("/v1/batches", Answer([b"{}"], status, {"Content-Type": kind} if kind else {}))
    if repeated:
        assert len(client.batch([3])) == 1
    else:
        with pytest.raises(ProtocolError):
            client.batch([3])
    assert len(server.asked_at("/v1/batches")) == 1 + repeated


@pytest.mark.parametrize(
    ("document", "status", "consistent"),
    [({}, 404, True), ({"status": 404}, 404, True), ({"status": 404}, 503, False),
     ({"type": f"{TYPE_PREFIX}overloaded", "status": 503}, 503, True),
     ({"type": f"{TYPE_PREFIX}overloaded", "status": 502}, None, False),
     ({"type": f"{TYPE_PREFIX}overloaded"}, None, False), ({"type": f"{TYPE_PREFIX}http", "status": 405}, 405, True),
     ({"type": "about:blank", "status": "x"}, 400, True), ({"type": f"{TYPE_PREFIX}new", "status": 418}, 418, True)],
)  # fmt: skip
def test_a_problem_has_the_status_of_its_type(document: dict[str, Any], status: int | None, consistent: bool) -> None:
    assert is_consistent(document, status) == consistent


def test_an_error_in_a_stream_that_contradicts_itself_is_repeated(server: ScriptedServer, make: Make) -> None:
    farewell = {"type": f"{TYPE_PREFIX}shutting-down", "title": "a", "status": 500, "detail": "b"}
    server.script("/v1/stream", lambda asked: Answer([*server.messages(asked, 0), encode_error(farewell)]))
    assert [batch.step for batch in make(server.url).stream(**STREAM)] == [0, 1, 2]
