"""Ranks of a distributed training whose servers have different digests."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from client import ClientError, DigestMismatchError
from client.loading.trainer import ranks
from client.loading.trainer.ranks import compare_digests, require_equal
from client.protocol.target import Pins
from tests.support.loading import load, steps
from tests.support.processes import output_of, start_python
from tests.support.scripted_server import scripted

pytestmark = pytest.mark.usefixtures("unmeasured_workers")

WORLD = 3

RANK = """
import json, sys
import torch.distributed as distributed
import client

rank, store, urls = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=3)
for url in urls:
    options = dict(seed=7, batch_size=6, rank=rank, world_size=3, stop=2, log_every=None, layout="dense")
    batches = client.loader(url, **options)
    found = []
    for _ in range(2):
        try:
            found.append([batch.step for batch in batches])
        except client.DigestMismatchError as error:
            found.append(str(error))
    print(json.dumps(found), flush=True)
alone = client.loader(urls[0], seed=7, batch_size=6, stop=1, log_every=None, layout="dense")
print(json.dumps([batch.step for batch in alone] if rank == 0 else []), flush=True)
distributed.destroy_process_group()
"""
"""A rank that makes a loader of each server in turn and loads from it twice; rank 0 then loads alone."""


def test_all_ranks_raise_if_the_digest_of_one_differs(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    with scripted(digest="d1") as server, scripted(digest="d2") as other:
        urls = [(server.url, server.url), (other.url, server.url), (server.url, server.url)]
        trainers = [
            start_python("-c", RANK, str(rank), str(tmp_path / "store"), *urls[rank], coverage=False)
            for rank in range(WORLD)
        ]
        printed = [trainer.communicate(timeout=90) for trainer in trainers]
    for rank, (out, errors) in enumerate(printed):
        lines = [json.loads(line) for line in out.splitlines()]
        assert len(lines) == 3, errors
        mixed, equal, alone = lines
        assert len(mixed) == 2, mixed
        assert all("digest d1 at ranks 0, 2, d2 at rank 1" in message for message in mixed)
        assert equal == [[0, 1], []]
        assert alone == ([0] if rank == 0 else [])


def test_a_trainer_without_torch_gets_none() -> None:
    with scripted() as server:
        code = (
            "import sys, client\n"
            f"batches = client.loader({server.url!r}, seed=7, batch_size=6, stop=1, layout='dense', log_every=None)\n"
            "print([batch.step for batch in batches], 'torch' in sys.modules)"
        )
        assert output_of(code) == "[0] False"


# --- the store of a process group, without one ---


class Store(dict[str, str]):
    """The calls of torch's stores that a comparison makes."""

    def add(self, key: str, amount: int) -> int:
        self[key] = str(int(self.get(key) or 0) + amount)
        return int(self[key])

    def set(self, key: str, value: str) -> None:
        self[key] = value

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(key, default)

    def compare_set(self, key: str, expected: str, desired: str) -> bytes:
        assert expected == ""
        return self.setdefault(key, desired).encode()


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    """The store of a process group in which this process is rank 0 of 2."""
    made = Store()
    group = SimpleNamespace(
        is_available=lambda: True, is_initialized=lambda: True, get_rank=lambda: 0, get_world_size=lambda: 2,
        distributed_c10d=SimpleNamespace(_get_default_store=lambda: made),
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "torch.distributed", group)
    monkeypatch.setattr(ranks, "WAIT_SECONDS", 0.2)
    return made


def test_a_rank_does_not_wait_for_ever_for_others(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    with scripted() as server, load(server.url, rank=0, world_size=2, stop=2) as batches:
        assert steps(batches) == [0, 1]
    assert "rank 1 did not start a loader within 0 s: their digests" in caplog.text
    assert any(json.loads(value).get("digest") == "d1" for value in store.values() if value.startswith("{"))


def test_a_late_rank_compares_its_digest_with_those_before(store: Store) -> None:
    stream = "saccade-sampler/7/6/True/None"
    posted = json.dumps({"digest": "d1", "pixels": None, "substitutes": 0})
    store.update({f"{stream}/1": "1", f"{stream}/1/1": posted, f"{stream}/1/first": posted, f"{stream}/1/arrived": "1"})
    with scripted(digest="d2") as server:
        batches = load(server.url, rank=0, world_size=2)
        with pytest.raises(DigestMismatchError, match="d2 at rank 0, d1 at rank 1"):
            next(batches)
    assert batches.process_id is None


@pytest.mark.parametrize("named", [{}, {"world_size": 3, "rank": 0}, {"world_size": 2, "rank": 1}])
def test_a_loader_of_another_shard_than_the_rank_compares_nothing(store: Store, named: dict[str, int]) -> None:
    with scripted() as server, load(server.url, stop=1, **named) as batches:
        assert steps(batches) == [0]
    assert not store


def test_a_store_that_is_gone_is_an_error_of_the_client(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_key: str, _amount: int) -> int:
        raise RuntimeError("Connection reset by peer")

    monkeypatch.setattr(store, "add", gone)
    settings = load("http://cpu-host:8000", rank=0, world_size=2)._settings
    with pytest.raises(ClientError, match="cannot be compared: Connection reset by peer: is rank 0 still alive"):
        compare_digests(settings, Pins("d1"))


# --- what is equal ---


@pytest.mark.parametrize(
    ("one", "other", "field"),
    [
        (Pins("d1", "p1", 0), Pins("d1", "p1", 0), None),
        (Pins("d1", "p1", 0), Pins("d1", None, 0), None),
        (Pins("d1", "p1", 0), Pins("d2", "p1", 0), "digest"),
        (Pins("d1", "p1", 0), Pins("d1", "p2", 0), "pixels"),
        (Pins("d1", None, 0), Pins("d1", None, 2), "substitutes"),
    ],
)
def test_digests_pixels_and_substitutes_must_be_equal_where_they_are_known(
    one: Pins, other: Pins, field: str | None
) -> None:
    if field is None:
        return require_equal({0: one, 1: other})
    with pytest.raises(DigestMismatchError, match=f"different datasets: {field} ") as caught:
        require_equal({0: one, 1: other})
    assert caught.value.field == field
    return None
