"""The threads of a client of several servers: nothing waits for them where it could wait forever."""

import gc
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from client import ClientError, SamplerClient
from client.fleet import several_servers
from client.fleet.threads import Threads
from tests.support.client_threads import own_threads
from tests.support.failing_answers import eventually, hanging
from tests.support.scripted_server import Answer, Asked, ScriptedServer

STREAM: dict[str, Any] = {"seed": 3, "batch_size": 3}
BATCHES = "/v1/batches"


class InterruptedClock:
    """A clock that interrupts the thread that reads it, as a garbage collection or a signal does at any time."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._interrupt: Callable[[], object] = time.monotonic

    def __call__(self) -> float:
        if self._thread is threading.current_thread():
            self._thread = None
            self._interrupt()
        return time.monotonic()

    @property
    def waits(self) -> bool:
        """Whether the interrupt has not come yet."""
        return self._thread is not None

    def interrupt(self, by: Callable[[], object]) -> None:
        """Call a function when this thread reads the clock the next time."""
        self._thread, self._interrupt = threading.current_thread(), by


@pytest.fixture
def clock() -> InterruptedClock:
    return InterruptedClock()


@pytest.fixture(params=[(1, "client.transport.direct.monotonic"), (3, "client.fleet.contacts.monotonic")])
def client(
    request: pytest.FixtureRequest,
    servers: list[ScriptedServer],
    clock: InterruptedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> SamplerClient:
    """A client that reads the clock while it has the lock of its transport, or that of its fleet."""
    count, name = request.param
    monkeypatch.setattr(name, clock)
    return SamplerClient(servers[0].url if count == 1 else [server.url for server in servers])


def ends(work: Callable[[], object]) -> bool:
    """Whether a function returns. It runs in another thread, because it might not."""
    ended = threading.Event()

    def run() -> None:
        work()
        ended.set()

    threading.Thread(target=run, daemon=True).start()
    return ended.wait(20)


def only_step_0(server: ScriptedServer, released: threading.Event) -> Callable[[Asked], Answer]:
    """An answer that does not begin, unless step 0 is asked for."""
    hang = hanging(released)
    return lambda asked: server.answer(asked) if asked.params["step"] == "0" else hang(asked)


def abandon_stream(client: SamplerClient) -> None:
    """Begin a stream that only the garbage collector finds."""
    batches = client.stream(**STREAM)
    next(batches)
    cycle: list[object] = [batches]
    cycle.append(cycle)


def test_the_garbage_collector_may_close_a_stream_in_a_thread_that_has_a_lock(
    servers: list[ScriptedServer], client: SamplerClient, clock: InterruptedClock, released: threading.Event
) -> None:
    for server in servers:
        server.script(BATCHES, *[only_step_0(server, released)] * 20)

    def use() -> None:
        gc.disable()
        try:
            abandon_stream(client)
            clock.interrupt(gc.collect)
            client.images([3])
        finally:
            gc.enable()

    assert ends(use)
    assert not clock.waits
    client.close()
    assert eventually(lambda: own_threads() == [])


def test_a_signal_handler_may_close_a_client_in_a_thread_that_has_a_lock(
    servers: list[ScriptedServer],
    client: SamplerClient,
    clock: InterruptedClock,
    released: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(several_servers, "JOIN_SECONDS", 0.5)
    for server in servers:
        server.script(BATCHES, *[only_step_0(server, released)] * 20)
    batches = client.stream(**STREAM)
    next(batches)

    def use() -> None:
        clock.interrupt(client.close)
        with suppress(ClientError):
            client.images([3])

    assert ends(use)
    assert not clock.waits


def test_a_batch_does_not_wait_for_a_late_server_whose_name_is_being_resolved(
    servers: list[ScriptedServer], released: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = socket.getaddrinfo

    def slow(host: str, *arguments: Any, **options: Any) -> Any:
        if host == "localhost":
            released.wait(60)
        return resolve(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with SamplerClient([servers[0].url, servers[1].url.replace("127.0.0.1", "localhost")]) as client:
        begun = time.monotonic()
        for step in range(30):
            assert client.batch(**STREAM, step=step).step == step
        assert time.monotonic() - begun < 15
        assert client.statistics is not None
        assert client.statistics.hedges_won > 1
        assert own_threads()
        released.set()
    assert eventually(lambda: own_threads() == [])


def test_threads_are_waited_for_up_to_a_limit(released: threading.Event) -> None:
    threads = Threads()
    threads.start("probe that waits", released.wait, 60)
    threads.join(0.01)
    assert "probe that waits" in own_threads()
    released.set()
    threads.join(20)
    assert "probe that waits" not in own_threads()


def test_no_thread_is_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_thread(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", no_thread)
    with pytest.raises(ClientError, match="no thread to ask http://a: can't start new thread: expected fewer threads"):
        Threads().start("ask http://a", time.sleep, 60)
