"""Clients of the servers at all addresses of a name."""

import pickle
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from client import ClientError, SamplerClient, ServerUnavailableError
from client.fleet import contacts as contacts_module
from client.transport.direct import DirectTransport
from tests.support.certificates import make_certificates
from tests.support.client_twins import Make, clients
from tests.support.failing_answers import eventually
from tests.support.loading import load, steps
from tests.support.scripted_server import ScriptedServer, scripted

STREAM: dict[str, Any] = {"seed": 3, "batch_size": 3}
NAME = "sampler.test"


class Shared(DirectTransport):
    """A transport that a user gives to a client."""

    closed = False

    def close(self) -> None:
        self.closed = True
        super().close()


@pytest.fixture(params=["sync", "async"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    with clients(request.param) as made:
        yield made


@pytest.fixture
def resolves(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets the addresses of the name; resolving it and looking for changes takes no time."""
    for module in ("client.fleet.probes", "client.asynchronous.runner"):
        monkeypatch.setattr(f"{module}.CHORE_SECONDS", 0.05)
    monkeypatch.setattr("client.fleet.addresses.RESOLVE_SECONDS", 0.05)

    known: dict[str, Any] = {"addresses": [], "failures": 0}

    def look_up(host: str, _port: int) -> list[str]:
        assert host == NAME
        known["failures"] -= 1
        if known["failures"] >= 0:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        found: list[str] = known["addresses"]
        return found

    def set_addresses(*addresses: str, failures: int = 0) -> None:
        known.update(addresses=list(addresses), failures=failures)

    monkeypatch.setattr("client.fleet.addresses.look_up", look_up)
    return set_addresses


def third_address() -> str:
    """Another loopback address: IPv6's, if this machine has one."""
    with suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return "::1"
    return "127.0.0.3"


ADDRESSES = ("127.0.0.1", "127.0.0.2", third_address())


@pytest.fixture
def servers() -> Iterator[list[ScriptedServer]]:
    """Servers at three addresses with the same port."""
    with ExitStack() as stack:
        first = stack.enter_context(scripted(host=ADDRESSES[0]))
        others = [stack.enter_context(scripted(port=first.port, host=host)) for host in ADDRESSES[1:]]
        yield [first, *others]


def test_every_address_is_asked_with_the_name_as_host(
    servers: list[ScriptedServer], make: Make, resolves: Callable[..., None]
) -> None:
    resolves(*ADDRESSES)
    port = servers[0].port
    client = make(f"dns+http://{NAME}:{port}")
    assert [batch.step for batch in client.stream(**STREAM, stop=24)] == list(range(24))
    for server in servers:
        assert server.asked_at("/v1/batches")
        assert {asked.headers["host"] for asked in server.asked} == {f"{NAME}:{port}"}
    assert client.statistics is not None
    assert {row.url for row in client.statistics.servers} == {server.url for server in servers}


def test_servers_that_come_and_go_need_no_new_client(
    servers: list[ScriptedServer], make: Make, resolves: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contacts_module, "LEFT_SECONDS", 0.2)
    resolves("127.0.0.1")
    batches = make(f"dns+http://{NAME}:{servers[0].port}").stream(**STREAM)
    next(batches)
    resolves(*ADDRESSES[1:])
    deadline = time.monotonic() + 10
    while (servers[0].open_connections or not servers[2].asked) and time.monotonic() < deadline:
        next(batches)
    asked = len(servers[0].asked)
    for _ in range(10):
        next(batches)
    batches.close()
    assert len(servers[0].asked) == asked
    assert servers[0].open_connections == 0
    assert servers[1].asked_at("/v1/batches")
    assert servers[2].asked_at("/v1/batches")


def test_a_server_that_leaves_does_not_close_a_transport_that_others_use(
    servers: list[ScriptedServer], resolves: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contacts_module, "LEFT_SECONDS", 0.0)
    resolves("127.0.0.1")
    with Shared() as transport, SamplerClient(f"dns+http://{NAME}:{servers[0].port}", transport=transport) as client:
        batches = client.stream(**STREAM)
        next(batches)
        resolves(*ADDRESSES[1:])
        deadline = time.monotonic() + 10
        while not servers[2].asked and time.monotonic() < deadline:
            next(batches)
        assert servers[2].asked_at("/v1/batches")
        assert not transport.closed
        batches.close()


def test_a_server_that_joins_needs_no_file(
    servers: list[ScriptedServer],
    make: Make,
    resolves: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "token"
    file.write_text("0123456789abcdef")
    monkeypatch.setenv("SAMPLER_TOKEN_FILE", str(file))
    resolves("127.0.0.1")
    batches = make(f"dns+http://{NAME}:{servers[0].port}").stream(**STREAM)
    next(batches)
    file.unlink()
    resolves(*ADDRESSES)
    assert eventually(lambda: next(batches) is not None and bool(servers[2].asked_at("/v1/batches")))
    batches.close()
    assert {one.headers["authorization"] for one in servers[2].asked} == {"Bearer 0123456789abcdef"}


def test_a_certificate_must_have_the_name(make: Make, resolves: Callable[..., None], tmp_path: Path) -> None:
    resolves("127.0.0.1")
    right = make_certificates(tmp_path, NAME)
    wrong = make_certificates(tmp_path, "127.0.0.1", authority="other")
    with scripted(trust=right.server()) as server:
        client = make(f"dns+https://{NAME}:{server.port}", ca=right.ca, token="0123456789abcdef")
        assert client.batch([3]).digest == "d1"
        assert {asked.headers["authorization"] for asked in server.asked} == {"Bearer 0123456789abcdef"}
    with (
        scripted(trust=wrong.server()) as server,
        pytest.raises(ClientError, match=f"has a certificate for 127.0.0.1, not for {NAME}: use a name"),
    ):
        make(f"dns+https://{NAME}:{server.port}", ca=wrong.ca).batch([3])


def test_a_name_that_does_not_resolve_yet_is_tried_again(
    servers: list[ScriptedServer], make: Make, resolves: Callable[..., None]
) -> None:
    url = f"dns+http://{NAME}:{servers[0].port}"
    resolves("127.0.0.1", failures=2)
    assert make(url).batch([3]).digest == "d1"
    resolves("127.0.0.1", failures=3)
    with pytest.raises(ServerUnavailableError, match=r"Temporary failure in name resolution: expected .*3 attempts"):
        make(url).batch([3])
    resolves("127.0.0.1", failures=1)
    client = make(url)
    assert client.statistics is not None
    assert client.statistics.servers == ()
    assert not client.ready()
    assert client.ready()


def test_a_loader_takes_the_servers_of_the_environment_with_it(
    servers: list[ScriptedServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMPLER_URL", " ".join(server.url for server in servers))
    with load(None, stop=9) as batches:
        copied = pickle.loads(pickle.dumps(batches))
        monkeypatch.delenv("SAMPLER_URL")
        assert steps(batches) == list(range(9))
    assert all(server.asked_at("/v1/batches") for server in servers)
    with copied:
        assert steps(copied) == list(range(9))


def test_a_loader_resolves_names_too(servers: list[ScriptedServer]) -> None:
    with load(f"dns+http://localhost:{servers[0].port}", stop=4) as batches:
        assert steps(batches) == [0, 1, 2, 3]
    assert {asked.headers["host"] for server in servers for asked in server.asked} == {f"localhost:{servers[0].port}"}
