"""Rank and world size of a loader that was not told them."""

import logging
import pickle
import sys
from types import SimpleNamespace

import pytest

from client import RequestRefusedError
from client.loading import torchrun
from tests.support.loading import load

NOBODY = "http://127.0.0.1:1"

Monkey = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def _says_it_again() -> None:
    torchrun._log_once.cache_clear()


def started(monkeypatch: Monkey, **variables: str) -> None:
    """Set variables as torchrun does; rank and world size are never those of the others."""
    others = {"LOCAL_RANK": "7", "LOCAL_WORLD_SIZE": "8", "SLURM_PROCID": "6", "TORCHELASTIC_RUN_ID": "none"}
    for name, value in (others | variables).items():
        monkeypatch.setenv(name, value)


def shard(**named: int) -> tuple[int, int]:
    found = load(NOBODY, **named)._settings.request.shard
    return found.rank, found.world_size


def test_a_loader_takes_rank_and_world_size_of_torchrun_and_logs_it_once(
    monkeypatch: Monkey, caplog: pytest.LogCaptureFixture
) -> None:
    started(monkeypatch, RANK="0", WORLD_SIZE="3")
    assert (shard(), shard()) == ((0, 3), (0, 3))
    expected = "rank 0 of 3, from torchrun's variables RANK and WORLD_SIZE"
    assert caplog.record_tuples == [("saccade_client", logging.WARNING, expected)]


def test_one_rank_alone_warns(monkeypatch: Monkey, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "saccade_client")
    started(monkeypatch, RANK="1", WORLD_SIZE="3")
    assert shard() == (1, 3)
    assert [(record.levelno, record.message[:11]) for record in caplog.records] == [(logging.INFO, "rank 1 of 3")]


@pytest.mark.parametrize("rank", ["0", "3"])
def test_every_rank_warns_if_something_else_has_set_the_variables(
    monkeypatch: Monkey, caplog: pytest.LogCaptureFixture, rank: str
) -> None:
    started(monkeypatch, RANK=rank, WORLD_SIZE="6")
    monkeypatch.delenv("TORCHELASTIC_RUN_ID")
    assert shard() == (int(rank), 6)
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.message.endswith("; if this process is alone, unset them or pass rank=0, world_size=1")


def test_ranks_of_torch_distributed_do_not_warn(monkeypatch: Monkey, caplog: pytest.LogCaptureFixture) -> None:
    started(monkeypatch, RANK="1", WORLD_SIZE="6")
    monkeypatch.delenv("TORCHELASTIC_RUN_ID")
    distributed = SimpleNamespace(is_available=lambda: True, is_initialized=lambda: True)
    monkeypatch.setitem(sys.modules, "torch.distributed", distributed)
    assert shard() == (1, 6)
    assert not caplog.records


def test_given_values_win_and_nothing_is_logged(monkeypatch: Monkey, caplog: pytest.LogCaptureFixture) -> None:
    started(monkeypatch, RANK="1", WORLD_SIZE="none")
    assert shard(rank=0, world_size=1) == (0, 1)
    assert not caplog.records


def test_without_torchrun_a_loader_is_alone(monkeypatch: Monkey) -> None:
    started(monkeypatch)
    assert shard() == (0, 1)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"RANK": "1"}, "WORLD_SIZE is not set, but RANK is: set both, or give the loader rank= and world_size="),
        ({"WORLD_SIZE": "2"}, "RANK is not set, but WORLD_SIZE is: set both"),
        ({"RANK": "2", "WORLD_SIZE": "2"}, "RANK = 2: expected less than WORLD_SIZE = 2"),
        ({"RANK": "-1", "WORLD_SIZE": "2"}, "RANK = '-1': expected an integer of at least 0, as torchrun sets it"),
        ({"RANK": "0", "WORLD_SIZE": "0"}, "WORLD_SIZE = '0': expected an integer of at least 1"),
        ({"RANK": "", "WORLD_SIZE": "2"}, "RANK = '': expected an integer"),
        ({"RANK": "²", "WORLD_SIZE": "2"}, "RANK = '²': expected an integer"),
        ({"RANK": "0", "WORLD_SIZE": "9" * 10_000}, "WORLD_SIZE = '999"),
        ({"RANK": "0", "WORLD_SIZE": "7"}, "WORLD_SIZE = 7: expected at most batch_size = 6; or give the loader rank="),
    ],
)
def test_variables_that_name_no_rank_are_refused(monkeypatch: Monkey, variables: dict[str, str], message: str) -> None:
    started(monkeypatch, **variables)
    with pytest.raises(RequestRefusedError) as caught:
        shard()
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(("named", "missing"), [({"rank": 0}, "world_size"), ({"world_size": 2}, "rank")])
def test_rank_and_world_size_are_given_together(monkeypatch: Monkey, named: dict[str, int], missing: str) -> None:
    started(monkeypatch, RANK="1", WORLD_SIZE="2")
    with pytest.raises(RequestRefusedError, match=f"{missing} = None: expected .* or neither, for those of torchrun"):
        shard(**named)


def test_copies_keep_the_rank_that_a_loader_was_made_with(monkeypatch: Monkey) -> None:
    started(monkeypatch, RANK="1", WORLD_SIZE="3")
    made = load(NOBODY)
    pickled = pickle.dumps(made)
    started(monkeypatch, RANK="2", WORLD_SIZE="4")
    assert pickle.loads(pickled)._settings.request.shard == made._settings.request.shard
