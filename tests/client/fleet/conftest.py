"""Fixtures: three servers, and an event that lets their late answers go on."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.scripted_server import ScriptedServer, scripted


@pytest.fixture
def servers() -> Iterator[list[ScriptedServer]]:
    with ExitStack() as stack:
        yield [stack.enter_context(scripted()) for _ in range(3)]


@pytest.fixture
def released() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()
