"""Rows of `saccade_sampler.ray` without a cluster: checked arguments, and rendering where they are used."""

from typing import Any

import httpx
import pytest

from client import SamplerClient
from sampler.errors import InvalidRequestError, ProtocolError
from tests.ray.hashes import BATCH_SIZE, SEED, hash_of
from tests.support.live_server import LiveServer

rows = pytest.importorskip("saccade_sampler.ray", reason="ray is not installed", exc_type=ImportError)


@pytest.fixture
def row(server: LiveServer) -> dict[str, Any]:
    """A row as a task makes it."""
    query = {"seed": SEED, "step": 12, "batch_size": BATCH_SIZE}
    batch = httpx.get(f"{server.url}/v1/batches", params=query).content
    return {"step": 12, "batch": batch, "spec": httpx.get(f"{server.url}/v1/spec").content}


def test_a_row_is_rendered_to_the_batch_that_the_client_gives(row: dict[str, Any], server: LiveServer) -> None:
    with SamplerClient(server.url) as client:
        expected = client.batch(seed=SEED, step=12, batch_size=BATCH_SIZE)
    batch = rows.render(row)
    assert hash_of(batch) == hash_of(expected)
    assert (batch.step, batch.digest, batch.recipes) == (12, expected.digest, expected.recipes)


def test_a_row_can_be_rendered_elsewhere(row: dict[str, Any]) -> None:
    assert rows.packed_batch(row).compact().crops.shape == (BATCH_SIZE, 255, 255, 3)


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-9], lambda data: data[:5000] + b"\0" + data[5001:], lambda _: b""]
)
def test_a_damaged_row_is_an_error(damage: Any, row: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        rows.render(row | {"batch": damage(row["batch"])})


def test_what_is_no_row_is_an_error_that_says_where_rows_come_from(row: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError, match=r"no row of a step: KeyError\('spec'\); pass a row of `iter_rows\(\)`"):
        rows.render({"step": 12, "batch": row["batch"]})


@pytest.mark.parametrize("name", ["annotations", "images"])
@pytest.mark.parametrize("value", ["", [], ["a", ""]])
def test_paths_that_are_missing_are_refused(name: str, value: object) -> None:
    given: dict[str, Any] = {"annotations": "a.json", "images": "a"} | {name: value}
    with pytest.raises(InvalidRequestError, match=f"^{name} = .*: expected a path, or several"):
        rows.dataset(**given, seed=7, batch_size=16, stop=9)


@pytest.mark.parametrize(
    ("steps", "samples", "tasks"),
    [(1, 1, 1), (100, 48, 25), (100, 1, 1), (100, 5000, 100), (16_000, 48, 4000), (500_000, 48, 15_625)],
)
def test_tasks_are_few_enough_to_begin_soon(steps: int, samples: int, tasks: int) -> None:
    assert rows.number_of_tasks(steps, samples) == tasks


@pytest.mark.parametrize(
    ("field", "value"),
    [("start", -1), ("stop", 3), ("seed", 1 << 64), ("batch_size", 0), ("rank", 2), ("world_size", 17), ("tasks", 0)],
)
def test_arguments_out_of_range_are_refused_before_anything_runs(field: str, value: int, scenes: Any) -> None:
    given = {"seed": 7, "batch_size": 16, "start": 3, "stop": 9, "rank": 0, "world_size": 2} | {field: value}
    with pytest.raises(InvalidRequestError, match=f"^{field} = {value}"):
        rows.dataset(*scenes, **given)
