"""The choice of a client's transport."""

import httpx
import pytest

from client import ClientError, SamplerClient
from client.transport.direct import proxy_applies, transport_for
from sampler.arrays import LAYOUTS
from tests.support.scripted_server import scripted

NO_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


class TestChoice:
    @pytest.fixture(autouse=True)
    def no_proxies(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in NO_PROXIES:
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.upper(), raising=False)

    @pytest.mark.parametrize(
        ("proxies", "url", "applies"),
        [
            ({}, "http://cpu-host:8000", False),
            ({"http_proxy": "http://p:1"}, "http://cpu-host:8000", True),
            ({"http_proxy": "http://p:1"}, "https://cpu-host", False),
            ({"all_proxy": "http://p:1"}, "https://me:secret@cpu-host", True),
            ({"http_proxy": "http://p:1", "no_proxy": "cpu-host"}, "http://me@cpu-host:8000", False),
            ({"http_proxy": "http://p:1", "no_proxy": "other"}, "http://cpu-host:8000", True),
        ],
    )
    def test_httpx_is_used_if_a_proxy_applies(
        self, monkeypatch: pytest.MonkeyPatch, proxies: dict[str, str], url: str, applies: bool
    ) -> None:
        for name, value in proxies.items():
            monkeypatch.setenv(name, value)
        assert proxy_applies(url) == applies
        assert (transport_for(url) is None) == applies

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
