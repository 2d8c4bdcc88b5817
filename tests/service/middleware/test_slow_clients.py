"""Responses other than batches are cut if their clients do not read them, and take bounded memory until then."""

import asyncio
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from service.disconnect import ClientDisconnectedError
from service.middleware import slow_clients
from service.middleware.slow_clients import PART_BYTES, SlowClients
from service.reading import ReadLimits

BODY = bytes(range(256)) * 1024  # four parts
LIMITS = ReadLimits(pause_seconds=0.02, min_rate=1e9)


class App:
    """An app that responds with `BODY`, and whose server is as it is given."""

    def __init__(self) -> None:
        self.state = self
        self.serving = self
        self.reading = LIMITS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - of an app
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": BODY})


class Client:
    """A client that reads a number of messages."""

    def __init__(self, messages: int) -> None:
        self.received: list[Message] = []
        self._messages = messages

    async def send(self, message: Message) -> None:
        if len(self.received) >= self._messages:
            await asyncio.Event().wait()
        self.received.append(message)

    async def receive(self) -> Message:
        return {"type": "http.request"}

    def request(self, middleware: SlowClients, app: Any) -> "asyncio.Task[None]":
        scope = {"type": "http", "app": app}
        return asyncio.ensure_future(middleware(scope, self.receive, self.send))


def test_a_large_response_is_sent_in_parts() -> None:
    async def scene() -> None:
        app, client = App(), Client(100)
        await client.request(SlowClients(app), app)
        parts = client.received[1:]
        assert b"".join(part["body"] for part in parts) == BODY
        assert [part["more_body"] for part in parts] == [True] * 3 + [False]
        assert max(len(part["body"]) for part in parts) == PART_BYTES

    asyncio.run(scene())


def test_a_client_that_does_not_read_is_disconnected() -> None:
    async def scene() -> None:
        app = App()
        with pytest.raises(ClientDisconnectedError):
            await asyncio.wait_for(Client(2).request(SlowClients(app), app), 5)

    asyncio.run(scene())


def test_the_oldest_response_is_cut_when_too_much_is_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        app = App()
        app.reading = ReadLimits(pause_seconds=100.0, min_rate=1e9)
        middleware = SlowClients(app)
        monkeypatch.setattr(slow_clients, "UNREAD_BYTES", 2 * len(BODY))
        tasks = []
        for _ in range(3):
            tasks.append(Client(2).request(middleware, app))
            await asyncio.sleep(0.01)
        done, _ = await asyncio.wait(tasks, timeout=0.1)
        assert done == {tasks[0]}
        assert isinstance(tasks[0].exception(), ClientDisconnectedError)
        for task in tasks[1:]:
            task.cancel()
        await asyncio.wait(tasks)

    asyncio.run(scene())
