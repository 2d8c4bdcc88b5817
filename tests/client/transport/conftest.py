"""Fixture: an httpx client with the transport of `client`."""

from collections.abc import Iterator

import httpx
import pytest

from client.transport.direct import DirectTransport


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(transport=DirectTransport(), timeout=5) as client:
        yield client
