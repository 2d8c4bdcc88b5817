"""The digest that clients and loaders are made with."""

import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from client import DigestMismatchError, RequestRefusedError
from tests.support.client_twins import Make, clients
from tests.support.loading import load, steps
from tests.support.scripted_server import ScriptedServer, scripted

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted() as running:
        yield running


@pytest.fixture(params=["sync", "async"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    with clients(request.param) as made:
        yield made


@pytest.fixture(params=["loader", pytest.param("dataset", marks=needs_torch)])
def loads(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Makes loaders, or their datasets for PyTorch."""
    return load if request.param == "loader" else lambda *given, **named: load(*given, **named).dataset()


def test_a_server_with_the_digest_is_used(server: ScriptedServer, make: Make) -> None:
    assert make(server.url, digest="d1").batch([1]).digest == "d1"


def test_a_server_with_another_digest_is_refused_before_any_batch(server: ScriptedServer, make: Make) -> None:
    client = make(server.url, digest="d2")
    for _ in range(2):
        with pytest.raises(DigestMismatchError, match="digest d1: expected d2, as given with digest=") as caught:
            client.batch([1])
        assert (caught.value.expected, caught.value.actual) == ("d2", "d1")
    assert {asked.path for asked in server.asked} == {"/v1/spec"}


@pytest.mark.parametrize("digest", ["", "a\nb", "x" * 201, 7, b"d1"])
def test_a_digest_that_no_dataset_has_is_refused_at_once(make: Make, digest: Any) -> None:
    for made in (make, load):
        with pytest.raises(RequestRefusedError, match=r"digest = .*: expected the digest of a dataset"):
            made("http://cpu-host:8000", digest=digest)


def test_a_loader_demands_its_digest(server: ScriptedServer, loads: Callable[..., Any]) -> None:
    assert steps(loads(server.url, digest="d1", stop=2)) == [0, 1]
    with pytest.raises(DigestMismatchError, match="digest d1: expected d2, as given with digest="):
        steps(loads(server.url, digest="d2", stop=2))


def test_the_digest_is_in_the_state_before_the_first_contact(loads: Callable[..., Any]) -> None:
    assert loads("http://cpu-host:8000", digest="d1").state_dict()["digest"] == "d1"
    assert loads("http://cpu-host:8000").state_dict()["digest"] is None


def test_a_state_with_another_digest_than_the_given_one_is_refused(
    server: ScriptedServer, loads: Callable[..., Any]
) -> None:
    state = loads(server.url, digest="d1", start=1, stop=3).state_dict()
    resumed = loads(server.url, digest="d2", stop=3)
    with pytest.raises(DigestMismatchError, match=r"state: digest d1: expected d2, as given with digest=; .* allow_"):
        resumed.load_state_dict(state)
    assert resumed.state_dict()["step"] == 0
    resumed.load_state_dict(state, allow_digest_change=True)
    with pytest.raises(DigestMismatchError, match="expected d2, as given"):  # which the server does not have
        steps(resumed)


@pytest.mark.parametrize("lenient", [{"allow_digest_change": True}, {"strict": False}])
def test_the_given_digest_counts_whatever_the_state_may_change(
    server: ScriptedServer, loads: Callable[..., Any], lenient: dict[str, bool]
) -> None:
    state = loads(server.url, digest="d0", start=1, stop=3).state_dict()
    resumed = loads(server.url, digest="d1", stop=3)
    resumed.load_state_dict(state, **lenient)
    assert resumed.state_dict()["digest"] == "d1"
    assert steps(resumed) == [1, 2]


def test_a_state_without_a_digest_is_loaded_with_the_given_one(
    server: ScriptedServer, loads: Callable[..., Any]
) -> None:
    resumed = loads(server.url, digest="d1", stop=3)
    resumed.load_state_dict(loads(server.url, start=1, stop=3).state_dict())
    assert resumed.state_dict()["digest"] == "d1"
    assert steps(resumed) == [1, 2]
