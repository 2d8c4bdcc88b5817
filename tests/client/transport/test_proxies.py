"""Both clients behind a proxy that the environment names."""

import socket
import time
from collections.abc import Iterator

import pytest

from client import ClientError, MissingExtraError, RequestRefusedError, ServerUnavailableError, loader
from sampler.arrays import LAYOUTS
from tests.support.client_twins import Make
from tests.support.raw_server import always, raw_server
from tests.support.scripted_server import ScriptedServer, problem, scripted

URL = "http://cpu-host:8000"
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    """A server that takes requests for any host, as a proxy does."""
    with scripted() as running:
        monkeypatch.setenv("HTTP_PROXY", running.url.replace("//", "//me:secret@"))
        yield running


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.mark.parametrize("layout", LAYOUTS)
def test_batches_come_through_the_proxy(proxy: ScriptedServer, make: Make, layout: str) -> None:
    through, direct = make(URL), make(proxy.url, transport=None)
    one, two = (client.batch([3, 0], layout=layout) for client in (through, direct))
    assert all(two.arrays[name].tobytes() == array.tobytes() for name, array in one.arrays.items())
    assert proxy.asked[0].headers["host"] == "cpu-host:8000"
    assert proxy.asked[0].headers["proxy-authorization"].startswith("Basic ")


def test_an_excepted_host_is_not_reached_through_the_proxy(
    proxy: ScriptedServer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.0/8")
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port()}")
    assert make(proxy.url).batch([3]).keys[0].index == 3


def test_a_proxy_that_is_absent_is_named_with_its_variable_and_the_way_around_it(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = closed_port()
    monkeypatch.setenv("HTTP_PROXY", f"http://me:secret@127.0.0.1:{port}")
    client = make("http://127.0.0.1:8712")
    with pytest.raises(ServerUnavailableError, match=rf"the proxy http://127\.0\.0\.1:{port} \(HTTP_PROXY\)") as caught:
        client.batch([1])
    assert "add 127.0.0.1 to NO_PROXY" in str(caught.value)
    assert "a server that runs" not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert client.ready() is False


@pytest.mark.parametrize("status", [403, 407, 502])
def test_a_response_of_the_proxy_is_told_from_one_of_the_server(proxy: ScriptedServer, make: Make, status: int) -> None:
    page = b"HTTP/1.1 %d No\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\n<html" % status
    with raw_server(always(page)) as refusing, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTP_PROXY", f"http://127.0.0.1:{refusing.port}")
        kind = ServerUnavailableError if status == 502 else RequestRefusedError
        with pytest.raises(
            kind, match=rf"status {status}: .*the proxy http://.*{refusing.port} \(HTTP_PROXY\)"
        ) as caught:
            make(URL).spec()
        assert "add cpu-host to NO_PROXY" in str(caught.value)
        assert ("user and password" in str(caught.value)) == (status == 407)
    proxy.script("/v1/spec", problem(403, "not you"))
    with pytest.raises(RequestRefusedError, match="status 403: not you") as caught:
        make(URL).spec()
    assert "proxy" not in str(caught.value)


@pytest.mark.parametrize("status", [403, 407])
def test_a_proxy_that_opens_no_tunnel_is_named_at_once(
    make: Make, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    page = b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status
    with raw_server(always(page)) as refusing:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{refusing.port}")
        with pytest.raises(RequestRefusedError, match=rf"{status} No: through the proxy .* \(https_proxy\)") as caught:
            make("https://cpu-host").spec()
        assert ("user and password" in str(caught.value)) == (status == 407)
        assert len(refusing.requests) == 1


@pytest.mark.parametrize("value", ["foo:bar", "http://", "gopher://proxy"])
def test_an_invalid_variable_is_an_error_of_the_client_before_it_connects(
    make: Make, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", value)
    begun = time.monotonic()
    with pytest.raises(RequestRefusedError, match="HTTP_PROXY = "):
        make(URL)
    with pytest.raises(RequestRefusedError, match="HTTP_PROXY = "):
        loader(URL, seed=1, batch_size=2)
    assert time.monotonic() - begun < 2


def test_a_socks_proxy_without_its_package_is_an_error_of_the_client(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    monkeypatch.setattr("client.protocol.proxies.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match="ALL_PROXY") as caught:
        make("http://127.0.0.1:8712")
    assert isinstance(caught.value, ClientError)
