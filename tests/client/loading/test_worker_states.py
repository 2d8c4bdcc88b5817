"""The state of one DataLoader worker does not apply to other workers or loaders."""

import importlib.util
from itertools import islice
from typing import Any

import pytest

from client import RequestRefusedError
from tests.support.loading import load
from tests.support.scripted_server import ScriptedServer

pytestmark = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")


@pytest.fixture
def state(small: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Of worker 0 of 2, which has given the steps 0 and 2; the other has given 1 perhaps, or not."""
    with monkeypatch.context() as patched:
        info = type("Info", (), {"id": 0, "num_workers": 2})
        patched.setattr("client.loading.trainer.torch_dataset.get_worker_info", lambda: info)
        dataset = load(small.url, stop=8).dataset()
        batches = iter(dataset)
        assert [batch.step for batch in islice(batches, 2)] == [0, 2]
        found: dict[str, Any] = dataset.state_dict()
        batches.close()
    return found


def test_it_is_refused_by_a_dataset_without_workers(small: ScriptedServer, state: dict[str, Any]) -> None:
    dataset = load(small.url, stop=8).dataset()
    dataset.load_state_dict(state)
    with pytest.raises(RequestRefusedError, match="a state of worker 0 of 2 loaded without workers"):
        iter(dataset)


def test_it_is_refused_by_a_loader_which_keeps_its_step(small: ScriptedServer, state: dict[str, Any]) -> None:
    with load(small.url, stop=8) as loaded:
        assert next(loaded).step == 0
        with pytest.raises(RequestRefusedError, match="state = 'worker 0 of 2': expected the state of a loader"):
            loaded.load_state_dict(state)
        assert next(loaded).step == 1
