"""Fixture: a server for loaders."""

from collections.abc import Iterator

import pytest

from tests.support.scripted_server import ScriptedServer, scripted


@pytest.fixture
def small() -> Iterator[ScriptedServer]:
    """A server of ten small images."""
    with scripted() as running:
        yield running
