"""States of loaders and their digests: which a state is saved with, and which it may be loaded with."""

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from client import DigestMismatchError, RequestRefusedError
from tests.support.loading import load, steps
from tests.support.scripted_server import ScriptedServer, scripted

pytestmark = pytest.mark.usefixtures("unmeasured_workers")

Make = Callable[..., Any]

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")


@pytest.fixture
def hashed() -> Iterator[ScriptedServer]:
    """A server with hashes of its image files."""
    with scripted() as running:
        running.spec = replace(running.spec, pixels="p1")
        yield running


@pytest.fixture(params=["loader", pytest.param("dataset", marks=needs_torch)])
def make(request: pytest.FixtureRequest) -> Make:
    """Makes loaders, or their datasets for PyTorch."""
    return load if request.param == "loader" else lambda *given, **named: load(*given, **named).dataset()


def state_after(source: Any, count: int) -> dict[str, Any]:
    """The state after some batches."""
    batches = iter(source)
    for _ in range(count):
        next(batches)
    state: dict[str, Any] = source.state_dict()
    return state


def test_a_state_has_both_digests_and_resumes_with_them(hashed: ScriptedServer, make: Make) -> None:
    state = state_after(make(hashed.url, stop=4), 2)
    assert (state["digest"], state["pixels"]) == ("d1", "p1")
    resumed = make(hashed.url, stop=4)
    resumed.load_state_dict(state)
    assert steps(resumed) == [2, 3]


def test_a_state_with_other_pixels_is_refused(hashed: ScriptedServer, make: Make) -> None:
    resumed = make(hashed.url, stop=4)
    resumed.load_state_dict(state_after(make(hashed.url), 1) | {"pixels": "p0"})
    with pytest.raises(DigestMismatchError, match="pixels p1: expected p0, as in the state") as caught:
        steps(resumed)
    assert (caught.value.field, caught.value.expected, caught.value.actual) == ("pixels", "p0", "p1")


def test_a_state_of_an_older_version_has_no_pixels_and_can_be_loaded(hashed: ScriptedServer, make: Make) -> None:
    state = state_after(make(hashed.url), 1)
    del state["pixels"]
    resumed = make(hashed.url, stop=3)
    resumed.load_state_dict(state)
    assert steps(resumed) == [1, 2]
    assert resumed.state_dict()["pixels"] == "p1"


def test_a_state_with_pixels_can_be_loaded_where_the_server_has_none(hashed: ScriptedServer, make: Make) -> None:
    state = state_after(make(hashed.url), 1)
    hashed.spec = replace(hashed.spec, pixels=None)
    resumed = make(hashed.url, stop=3)
    resumed.load_state_dict(state)
    assert steps(resumed) == [1, 2]


def test_a_state_with_another_digest_resumes_if_a_change_is_allowed(hashed: ScriptedServer, make: Make) -> None:
    state = state_after(make(hashed.url), 1) | {"digest": "d0"}
    resumed = make(hashed.url, stop=3)
    resumed.load_state_dict(state, allow_digest_change=True)
    assert steps(resumed) == [1, 2]
    state = resumed.state_dict()
    assert (state["digest"], state["pixels"]) == ("d1", "p1")


@needs_torch
@pytest.mark.parametrize("pixels", ["p1", "p0"])
def test_workers_of_a_data_loader_compare_the_pixels_too(hashed: ScriptedServer, pixels: str) -> None:
    from torch.utils.data import DataLoader  # torch is optional

    dataset = load(hashed.url, stop=4).dataset()
    dataset.load_state_dict(state_after(load(hashed.url), 1) | {"pixels": pixels})
    batches = iter(DataLoader(dataset, batch_size=None, num_workers=1))
    if pixels == "p1":
        assert steps(batches) == [1, 2, 3]
    else:
        with pytest.raises(DigestMismatchError, match="pixels p1: expected p0, as in the state"):
            next(batches)


@pytest.mark.parametrize(("name", "value"), [("seed", 8), ("batch_size", 5), ("step", 10)])
def test_allowing_another_digest_allows_nothing_else(hashed: ScriptedServer, make: Make, name: str, value: int) -> None:
    state = state_after(make(hashed.url), 1) | {"digest": "d0", name: value}
    with pytest.raises(RequestRefusedError) as caught:
        make(hashed.url, stop=9).load_state_dict(state, allow_digest_change=True)
    assert caught.value.errors[0]["field"] == f"state.{name}"


@pytest.mark.parametrize(("name", "value"), [("pixels", "p0"), ("substitutes", 3)])
def test_allowing_another_digest_does_not_allow_other_images(
    hashed: ScriptedServer, make: Make, name: str, value: object
) -> None:
    state = state_after(make(hashed.url), 1) | {"digest": "d0", name: value}
    resumed = make(hashed.url, stop=3)
    resumed.load_state_dict(state, allow_digest_change=True)
    with pytest.raises(DigestMismatchError, match="load it with strict=False") as caught:
        steps(resumed)
    assert caught.value.field == name


def test_the_digest_may_change_only_once(hashed: ScriptedServer) -> None:
    loaded = load(hashed.url, stop=5)
    loaded.load_state_dict(state_after(load(hashed.url), 1) | {"digest": "d0"}, allow_digest_change=True)
    with loaded:
        assert next(loaded).step == 1
    with pytest.raises(DigestMismatchError, match="as in the state"):
        loaded.load_state_dict(loaded.state_dict() | {"digest": "d0"})


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({}, "state.step = 3: expected at most stop = 2; the checkpoint is past it: raise stop, or choose another"),
        ({"seed": 8}, "state.seed = 8: expected 7, as in this loader; or use strict=False"),
        ({"batch_size": 12}, "state.batch_size = 12: expected 6, as in this loader; or use strict=False"),
    ],
)
def test_a_state_past_the_last_step_says_so_unless_it_is_of_another_stream(
    make: Make, other: dict[str, int], message: str
) -> None:
    state = make("http://host:1").state_dict() | {"step": 3} | other
    with pytest.raises(RequestRefusedError, match=message):
        make("http://host:1", stop=2).load_state_dict(state)
