"""The choice of a client's transport."""

import httpx
import pytest

from client import ClientError, SamplerClient
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
