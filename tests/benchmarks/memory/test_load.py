"""A server and a trainer get work while their memory is measured."""

import httpx
import pytest

from benchmarks.memory.load import other_requests
from benchmarks.memory.trainer import trainer
from sampler.arrays import LAYOUTS, Layout
from tests.support.live_server import LiveServer, until


def sent(server: LiveServer, layout: Layout) -> float:
    """How many samples the server has sent."""
    return server.metric(f'sampler_samples_total{{layout="{layout}"}}')


def test_a_trainer_loads_batches_when_told_and_keeps_its_loader(server: LiveServer) -> None:
    with trainer(server.url) as training:
        assert training.process.children() == []
        before = sent(server, "compact")
        training.go_on()
        until(lambda: sent(server, "compact") > before)
        training.go_on()
        assert len(training.process.children()) == 1
    assert not training.process.is_running()


def test_a_server_makes_every_layout(server: LiveServer) -> None:
    before = {layout: sent(server, layout) for layout in LAYOUTS}
    with other_requests(server.url):
        until(lambda: all(sent(server, layout) > before[layout] for layout in LAYOUTS))


def test_a_refused_request_fails_the_measurement() -> None:
    with pytest.raises(httpx.HTTPError), other_requests("http://127.0.0.1:1"):
        pass
