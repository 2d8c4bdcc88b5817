"""States of the workers of a DataLoader: each resumes its own worker, after any step."""

import importlib.util
from itertools import islice
from typing import Any

import pytest

from client import RequestRefusedError
from tests.support.loading import load, steps
from tests.support.scripted_server import ScriptedServer

pytestmark = [
    pytest.mark.usefixtures("unmeasured_workers"),
    pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed"),
]


@pytest.fixture
def state(small: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Of worker 0 of 2, which has given the steps 0 and 2; the other has given 1 perhaps, or not."""
    with monkeypatch.context() as patched:
        info = type("Info", (), {"id": 0, "num_workers": 2})
        patched.setattr("client.loading.torch_dataset.get_worker_info", lambda: info)
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


# --- states of every step, as a DataLoader with several workers saves and loads them ---


class Workers:
    """The workers of a data loader, in this process: each has its own dataset, and they give batches in turn."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, datasets: list[Any], states: list[dict[str, Any]]) -> None:
        self._monkeypatch = monkeypatch
        self._datasets = datasets
        self._iterators = []
        for number, dataset in enumerate(datasets):
            if states:
                dataset.load_state_dict(states[number])
            self._become(number)
            self._iterators.append(iter(dataset))

    def take(self, count: int, first: int = 0) -> list[int]:
        """Return the steps of up to `count` batches; those of worker `first` come first."""
        found: list[int] = []
        turn, ended = first, 0
        while len(found) < count and ended < len(self._datasets):
            number = turn % len(self._datasets)
            self._become(number)
            batch = next(self._iterators[number], None)
            if batch is None:
                ended += 1
            else:
                assert not ended, "a batch came after the end"
                found.append(batch.step)
            turn += 1
        return found

    def states(self) -> list[dict[str, Any]]:
        return [dataset.state_dict() for dataset in self._datasets]

    def _become(self, number: int) -> None:
        info = type("Info", (), {"id": number, "num_workers": len(self._datasets)})
        self._monkeypatch.setattr("client.loading.torch_dataset.get_worker_info", lambda: info)


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
def test_a_state_saved_after_any_step_resumes_at_the_next(
    small: ScriptedServer, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    def begin(states: list[dict[str, Any]], stop: int = 4) -> Workers:
        return Workers(monkeypatch, [load(small.url, stop=stop).dataset() for _ in range(workers)], states)

    for at in range(6):  # with 5, every worker has found its end
        before = begin([])
        taken = before.take(at)
        states = before.states()
        assert taken + begin(states).take(10, first=at) == [0, 1, 2, 3]
        assert begin(states).states() == states
        if at < 5:
            assert taken + begin(states, stop=7).take(10, first=at) == [0, 1, 2, 3, 4, 5, 6]


def test_a_state_that_no_worker_can_have_is_refused(small: ScriptedServer, state: dict[str, Any]) -> None:
    dataset = load(small.url, stop=8).dataset()
    dataset.load_state_dict(state | {"step": 9})
    wrong: list[tuple[str, object]] = [("step", 10), ("worker", 2), ("worker", None), ("workers", 0), ("workers", "2")]
    for name, value in wrong:
        with pytest.raises(RequestRefusedError) as caught:
            dataset.load_state_dict(state | {name: value})
        assert caught.value.errors[0]["field"] == f"state.{name}"


def test_a_workers_state_may_be_loaded_with_another_world_size(
    small: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Workers(monkeypatch, [load(small.url, stop=4).dataset() for _ in range(2)], [])
    before.take(3)
    datasets = [load(small.url, stop=4, rank=1, world_size=3).dataset() for _ in range(2)]
    assert Workers(monkeypatch, datasets, before.states()).take(4, first=3) == [3]


def test_a_loaders_state_after_its_last_step_resumes_at_the_end(small: ScriptedServer) -> None:
    with load(small.url, stop=2) as loaded:
        assert steps(loaded) == [0, 1]
        state = loaded.state_dict()
        loaded.load_state_dict(state)
        assert steps(loaded) == []
    resumed = load(small.url, stop=3)
    resumed.load_state_dict(state)
    assert steps(resumed) == [2]
