"""Fixture: both clients."""

from collections.abc import Iterator

import pytest

from tests.support.client_twins import Make, clients


@pytest.fixture(params=["sync", "async"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Makes clients, first of one kind, then of the other."""
    with clients(request.param) as maker:
        yield maker
