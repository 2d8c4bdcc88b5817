"""A loader's dataset in torchdata's StatefulDataLoader: a state saved after any step resumes at the next."""

import importlib
from itertools import islice
from typing import Any

import pytest

from tests.support.loading import load, steps
from tests.support.scripted_server import ScriptedServer

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("torchdata.stateful_dataloader", reason="torchdata is not installed")

pytestmark = [
    pytest.mark.usefixtures("unmeasured_workers"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),  # on a small machine
    pytest.mark.filterwarnings("ignore:'set_vital' is deprecated"),  # which torchdata calls
]


def stateful(url: str, stop: int, **options: Any) -> Any:
    kind = importlib.import_module("torchdata.stateful_dataloader").StatefulDataLoader
    return kind(load(url, stop=stop).dataset(), batch_size=None, **options)


def after(batches: Any, count: int) -> tuple[list[int], dict[str, Any]]:
    """The first steps of a data loader, and its state after them."""
    taken = steps(islice(iter(batches), count))
    return taken, batches.state_dict()


@pytest.mark.parametrize(("workers", "stop"), [(0, 3), (1, 3), (2, 5), (3, 4)])
def test_the_last_states_resume_at_the_next_step(small: ScriptedServer, workers: int, stop: int) -> None:
    for at in range(stop - 2, stop + 1):
        taken, state = after(stateful(small.url, stop, num_workers=workers), at)
        resumed = stateful(small.url, stop, num_workers=workers)
        resumed.load_state_dict(state)
        assert taken + steps(resumed) == list(range(stop))


def test_states_resume_one_step_after_another(small: ScriptedServer) -> None:
    taken, state = [], stateful(small.url, 4, num_workers=2).state_dict()
    for _ in range(4):
        resumed = stateful(small.url, 4, num_workers=2)
        resumed.load_state_dict(state)
        [step], state = after(resumed, 1)
        taken.append(step)
    assert taken == [0, 1, 2, 3]


@pytest.mark.parametrize("options", [{}, {"num_workers": 2}, {"num_workers": 2, "persistent_workers": True}])
def test_a_state_saved_after_the_end_begins_a_new_iteration(small: ScriptedServer, options: dict[str, Any]) -> None:
    ended = stateful(small.url, 3, **options)
    assert steps(ended) == [0, 1, 2]
    resumed = stateful(small.url, 3, **options)
    resumed.load_state_dict(ended.state_dict())
    assert steps(resumed) == [0, 1, 2]


def test_persistent_workers_resume_and_then_begin_a_new_iteration(small: ScriptedServer) -> None:
    options = {"num_workers": 2, "persistent_workers": True}
    taken, state = after(stateful(small.url, 3, **options), 2)
    resumed = stateful(small.url, 3, **options)
    resumed.load_state_dict(state)
    assert taken + steps(resumed) == [0, 1, 2]
    assert steps(resumed) == [0, 1, 2]
