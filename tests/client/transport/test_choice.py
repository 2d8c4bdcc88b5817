"""The choice of a client's transport."""

import asyncio
import ssl
from pathlib import Path

import httpx
import pytest

from client import AsyncSamplerClient, ClientError, SamplerClient
from client.transport.tls import ClientTls
from sampler.arrays import LAYOUTS
from tests.support.scripted_server import scripted


class TestChoice:
    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_batches_are_the_same_over_any_transport(self, layout: str) -> None:
        with scripted() as server, SamplerClient(server.url) as direct:
            with SamplerClient(server.url, transport=httpx.HTTPTransport()) as other:
                one, two = (client.batch([3, 0, 1], layout=layout) for client in (direct, other))  # type: ignore[call-overload] # a parameter of the test
            assert all(two.arrays[name].tobytes() == array.tobytes() for name, array in one.arrays.items())

    def test_errors_of_a_given_transport_become_client_errors(self) -> None:
        def fail(request: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError("no")

        client = SamplerClient("http://x", transport=httpx.MockTransport(fail), attempts=1)
        with client, pytest.raises(ClientError, match="ConnectError: no"):
            client.spec()


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[Path | None]:
    """The CAs that were loaded; None stands for the default ones."""
    calls: list[Path | None] = []

    def trust(ca: Path | None) -> ssl.SSLContext:
        calls.append(ca)
        return ssl.create_default_context()

    monkeypatch.setattr("client.transport.tls.trust", trust)
    return calls


class TestTls:
    @pytest.mark.parametrize(("scheme", "contexts"), [("http", 0), ("https", 1)])
    def test_a_client_of_many_servers_loads_the_cas_at_most_once(
        self, scheme: str, contexts: int, loaded: list[Path | None]
    ) -> None:
        async def make() -> None:
            async with AsyncSamplerClient([f"{scheme}://10.0.0.{number}" for number in range(50)]):
                pass

        asyncio.run(make())
        assert loaded == [None] * contexts

    def test_connections_to_different_servers_share_a_context(self, loaded: list[Path | None]) -> None:
        with SamplerClient(["https://127.0.0.1:1", "https://127.0.0.2:1"], attempts=1) as client:
            assert loaded == []
            assert not client.ready()
            assert client.statistics is not None
            assert client.statistics.failures == 2, "both were asked"
        assert loaded == [None]

    def test_requests_without_tls_trust_no_ca(self) -> None:
        context = ClientTls().context_for("http://cpu-host:8000")
        assert context.verify_mode == ssl.CERT_REQUIRED
        assert context.cert_store_stats()["x509_ca"] == 0
