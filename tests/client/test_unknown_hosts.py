"""Host names that do not exist: a client that never reached its server gives up early, one that did is patient."""

import logging
import pickle
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from client import ServerUnavailableError
from client.protocol.retries import RetryHook
from tests.support.client_twins import Make, clients
from tests.support.loading import load
from tests.support.scripted_server import scripted

NAME = "sampler.test"
NO_HOST = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
NO_NAME_SERVER = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

QUICK: dict[str, Any] = {"attempts": 10, "max_wait": 0.0}

Resolver = Callable[[Exception | None], None]


@pytest.fixture(params=["sync", "async"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    with clients(request.param) as made:
        yield made


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    """Sets the error of a lookup of the name; None for this machine's address."""
    look_up = socket.getaddrinfo
    outcome: list[Exception | None] = [None]

    def getaddrinfo(host: Any, *others: Any, **named: Any) -> Any:
        known = host in (NAME, NAME.encode())
        if known and outcome[0] is not None:
            raise outcome[0]
        return look_up("127.0.0.1" if known else host, *others, **named)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return lambda error: outcome.__setitem__(0, error)


@pytest.mark.parametrize(("error", "attempts", "lines"), [(NO_HOST, 5, 1), (NO_NAME_SERVER, 10, 9)])
def test_a_host_that_does_not_exist_is_tried_half_as_often_with_one_line_in_the_log(
    make: Make, resolve: Resolver, caplog: pytest.LogCaptureFixture, error: Exception, attempts: int, lines: int
) -> None:
    resolve(error)
    with pytest.raises(ServerUnavailableError, match=f"{error.args[1]}: expected a ") as caught:
        make(f"http://{NAME}:8000", **QUICK).spec()
    assert caught.value.attempts == attempts
    assert caught.value.unknown_host == (error is NO_HOST) == ("expected a host name" in str(caught.value))
    assert [record.levelno for record in caplog.records if "trying again" in record.message] == [
        logging.WARNING
    ] * lines


def test_more_attempts_wait_for_a_name_that_appears_late(make: Make, resolve: Resolver) -> None:
    resolve(NO_HOST)
    with pytest.raises(ServerUnavailableError) as caught:
        make(f"http://{NAME}:8000", max_wait=0.0, attempts=100).spec()
    assert caught.value.attempts == 50


def test_a_client_that_reached_its_server_has_all_attempts_if_the_name_is_gone(make: Make, resolve: Resolver) -> None:
    with scripted() as server:
        client = make(f"http://{NAME}:{server.port}", **QUICK)
        client.spec()
    resolve(NO_HOST)
    with pytest.raises(ServerUnavailableError) as caught:
        client.batch([3])
    assert (caught.value.attempts, caught.value.unknown_host) == (10, False)


def test_of_several_servers_one_that_exists_is_waited_for(make: Make, resolve: Resolver) -> None:
    resolve(NO_HOST)
    with pytest.raises(ServerUnavailableError) as caught:
        make([f"http://{NAME}:8000", "http://127.0.0.1:1"], **QUICK).spec()
    assert caught.value.attempts == 10
    with pytest.raises(ServerUnavailableError) as caught:
        make([f"http://{NAME}:8000", f"http://{NAME}:8001"], **QUICK).spec()
    assert caught.value.attempts == 5


def test_a_loader_raises_the_error_and_it_can_be_pickled(resolve: Resolver) -> None:
    resolve(NO_HOST)
    with pytest.raises(ServerUnavailableError) as caught, load(f"http://{NAME}:8000", **QUICK) as batches:
        next(batches)
    assert pickle.loads(pickle.dumps(caught.value)).unknown_host


def test_a_single_attempt_is_made() -> None:
    assert RetryHook(1, 0.0)(ServerUnavailableError("away", unknown_host=True)) is False
