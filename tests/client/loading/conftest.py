"""Fixtures: a server for loaders, and workers that cost less."""

import os
from collections.abc import Iterator

import pytest

from tests.support.scripted_server import ScriptedServer, scripted


@pytest.fixture
def small() -> Iterator[ScriptedServer]:
    """A server of ten small images."""
    with scripted() as running:
        yield running


@pytest.fixture
def unmeasured_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start loader workers without coverage, which costs each of them a quarter of a second of CPU time.

    For modules about the trainer's side: others measure the same code of the worker.
    """
    for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
        monkeypatch.delenv(name)
