"""Batches of a loader: in step order, each once, and those of the client's stream."""

import gc
import logging
import pickle
import time
from dataclasses import replace
from itertools import islice
from typing import Any

import httpx
import numpy as np
import psutil
import pytest

from client import Batch, DigestMismatchError, RequestRefusedError, SamplerClient
from client.loading.trainer.statistics import LoaderStatistics, StatisticsRecorder
from tests.support.clock import Clock
from tests.support.live_server import LiveServer, until
from tests.support.loading import DIGESTS, STREAM, load, same, steps
from tests.support.scripted_server import SMALL_CORNERNET, SMALL_SACCADE, ScriptedServer, scripted

# --- the same batches ---


@pytest.mark.parametrize("layout", ["compact", "sparse", "dense"])
def test_a_loaders_batches_are_those_of_the_stream_to_the_last_bit(server: LiveServer, layout: str) -> None:
    asked = STREAM | {"start": 2, "stop": 5, "rank": 1, "world_size": 4, "layout": layout}
    with SamplerClient(server.url) as plain, load(server.url, **asked) as loaded:
        for one, other in zip(loaded, plain.stream(**asked), strict=True):
            assert same(one, other)


@pytest.mark.parametrize("config", [SMALL_SACCADE, SMALL_CORNERNET], ids=["saccade", "cornernet"])
def test_every_kind_of_config_can_be_loaded(config: Any) -> None:
    asked = STREAM | {"stop": 3, "layout": "compact"}
    with scripted(config) as running, SamplerClient(running.url) as plain, load(running.url, **asked) as loaded:
        for one, other in zip(loaded, plain.stream(**asked), strict=True):
            assert same(one, other)
            assert (one.tl_valids is None) == (config is SMALL_CORNERNET)


def test_ranks_cover_each_step_once(small: ScriptedServer) -> None:
    with SamplerClient(small.url) as plain:
        whole = [batch.keys for batch in plain.stream(**STREAM, stop=3)]
    ranks = [[batch.keys for batch in load(small.url, stop=3, rank=rank, world_size=2)] for rank in range(2)]
    assert [sum(parts, ()) for parts in zip(*ranks, strict=True)] == whole


def test_a_batch_is_a_batch_like_any_other(small: ScriptedServer) -> None:
    with load(small.url, stop=1) as loaded:
        [batch] = loaded
    assert isinstance(batch, Batch)
    assert len(batch) == 6
    again = pickle.loads(pickle.dumps(batch))
    assert same(again, batch)
    with pytest.raises(AttributeError, match="nothing"):
        _ = batch.nothing  # type: ignore[attr-defined] # that is the question


def test_a_loader_knows_its_length(small: ScriptedServer) -> None:
    assert len(load(small.url, start=3, stop=10)) == 7
    with pytest.raises(TypeError, match="no length"):
        len(load(small.url))
    assert steps(load(small.url, start=3, stop=3)) == []


def test_a_second_loop_continues_where_the_first_was_left(small: ScriptedServer) -> None:
    with load(small.url, stop=6) as loaded:
        assert steps(islice(loaded, 2)) == [0, 1]
        assert steps(loaded) == [2, 3, 4, 5]
        assert steps(loaded) == []


@pytest.mark.parametrize(
    ("named", "field"),
    [({"ahead": 0}, "ahead"), ({"log_every": 0.0}, "log_every"), ({"batch_size": 0}, "batch_size"),
     ({"rank": 6, "world_size": 6}, "rank"), ({"start": 3, "stop": 2}, "stop"), ({"attempts": 0}, "attempts"),
     ({"timeout": 0.0}, "timeout"), ({"timeout": httpx.Timeout(3)}, "timeout"),
     ({"layout": "dense", "device": "cpu"}, "layout")],
)  # fmt: skip
def test_values_out_of_range_are_refused_by_name(named: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestRefusedError) as caught:
        load("http://127.0.0.1:1", **named)
    assert caught.value.errors[0]["field"] == field


def test_a_device_of_none_is_refused_instead_of_giving_arrays(small: ScriptedServer) -> None:
    with pytest.raises(RequestRefusedError, match=r"device = None: expected a device of PyTorch, .* or 'numpy'"):
        load(small.url, device=None)
    [batch] = load(small.url, stop=1, device="numpy", layout="dense")
    assert isinstance(batch.images, np.ndarray)


# --- memory ---


def test_kept_batches_stay_unchanged_and_copies_are_logged_once(
    small: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    with load(small.url, stop=12, ahead=2) as loaded, SamplerClient(small.url) as plain:
        with caplog.at_level(logging.WARNING, "saccade_client"):
            kept = list(loaded)
        assert loaded.statistics.copies == 12 - 4
        for one, other in zip(kept, plain.stream(**STREAM, stop=12), strict=True):
            assert same(one, other)
    assert [record.message for record in caplog.records if "copied" in record.message] == [
        "the last 4 batches are still in use: later ones are copied until some are dropped"
    ]


def test_a_view_of_one_array_protects_its_batch_from_reuse(small: ScriptedServer) -> None:
    with load(small.url, ahead=1, layout="compact") as loaded:
        row = next(loaded).images[3, 1]
        before = row.copy()
        for _ in islice(loaded, 10):
            pass
        assert loaded.statistics.copies == 0
        np.testing.assert_array_equal(row, before)


def test_a_training_loop_copies_nothing_and_uses_few_slots(small: ScriptedServer) -> None:
    addresses = set()
    with load(small.url, ahead=2) as loaded:
        for batch in islice(loaded, 30):
            addresses.add(batch.images.ctypes.data)
        statistics = loaded.statistics
    assert len(addresses) <= 2 + 2
    assert (statistics.copies, statistics.batches, statistics.samples) == (0, 30, 180)
    assert statistics.bytes == 30 * sum(array.nbytes for array in batch.arrays.values())


def test_batches_outlive_their_loader(small: ScriptedServer) -> None:
    loaded = load(small.url)
    batch = next(loaded)
    before = batch.images.copy()
    loaded.close()
    del loaded
    gc.collect()
    np.testing.assert_array_equal(batch.images, before)


# --- resuming ---


def test_a_loader_resumes_at_the_next_batch(small: ScriptedServer) -> None:
    with load(small.url, ahead=3, stop=9) as loaded:
        seen = steps(islice(loaded, 4))
        state = loaded.state_dict()
    assert state == {"step": 4, "seed": 7, "batch_size": 6, "world_size": 1, "rank": 0} | DIGESTS
    resumed = load(small.url, stop=9)
    resumed.load_state_dict(state)
    assert seen + steps(resumed) == list(range(9))


def test_a_running_loader_continues_at_the_step_of_a_state(small: ScriptedServer) -> None:
    with load(small.url) as loaded:
        state = loaded.state_dict()
        assert state["digest"] == "d1"
        assert steps(islice(loaded, 3)) == [0, 1, 2]
        loaded.load_state_dict(state)
        assert steps(islice(loaded, 2)) == [0, 1]


def test_a_state_may_be_loaded_with_another_world_size(small: ScriptedServer) -> None:
    with load(small.url) as loaded:
        next(loaded)
        state = loaded.state_dict()
        rest = next(loaded).keys
    parts = []
    for rank in range(2):
        resumed = load(small.url, rank=rank, world_size=2, stop=2)
        resumed.load_state_dict(state)
        [part] = resumed
        parts.append(part.keys)
    assert sum(parts, ()) == rest


def test_a_state_of_another_stream_is_refused_and_changes_nothing(small: ScriptedServer) -> None:
    changes: list[tuple[str, Any]] = [("seed", 8), ("batch_size", 5), ("step", 10), ("step", -1), ("step", None)]
    with load(small.url, stop=9) as loaded:
        assert next(loaded).step == 0
        for name, value in changes:
            with pytest.raises(RequestRefusedError) as caught:
                loaded.load_state_dict(loaded.state_dict() | {name: value})
            assert caught.value.errors[0]["field"] == f"state.{name}"
        assert steps(loaded) == list(range(1, 9))


def test_an_incomplete_state_is_refused(small: ScriptedServer) -> None:
    with pytest.raises(RequestRefusedError, match="digest missing"):
        load(small.url).load_state_dict({"step": 1, "seed": 7, "batch_size": 6})


def test_a_state_with_another_digest_is_refused_at_once_or_at_first_contact(small: ScriptedServer) -> None:
    loaded = load(small.url)
    loaded.spec()
    state = loaded.state_dict() | {"digest": "d0"}
    with pytest.raises(DigestMismatchError, match=r"as in the state .* allow_digest_change=True") as caught:
        loaded.load_state_dict(state)
    assert (caught.value.expected, caught.value.actual) == ("d0", "d1")
    later = load(small.url)
    later.load_state_dict(state)
    with pytest.raises(DigestMismatchError), later:
        next(later)


def test_any_state_can_be_loaded_with_strict_false(small: ScriptedServer) -> None:
    loaded = load(small.url, stop=9)
    loaded.load_state_dict(loaded.state_dict() | {"step": 7, "seed": 8, "digest": "d0"}, strict=False)
    assert steps(loaded) == [7, 8]


@pytest.mark.parametrize(("world_size", "most"), [(1, 4), (2, 8)])
def test_a_batch_size_above_the_servers_limit_is_refused_at_first_contact(
    small: ScriptedServer, world_size: int, most: int
) -> None:
    small.spec = replace(small.spec, max_batch=4)
    ranks = {"rank": 0, "world_size": world_size}
    with load(small.url, batch_size=most, **ranks) as allowed:
        assert allowed.spec().max_batch == 4
    refused = load(small.url, batch_size=most + 1, **ranks)
    with pytest.raises(RequestRefusedError, match=f"batch_size = {most + 1}: expected at most {most}, the server's"):
        refused.spec()


# --- starvation ---


def test_waiting_and_computing_are_measured_separately(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [0.0]
    monkeypatch.setattr("client.loading.trainer.statistics.time.perf_counter", lambda: now[0])
    recorder = StatisticsRecorder(log_every=200.0)
    with caplog.at_level(logging.INFO, "saccade_client"):
        for waited, busy in [(30.0, 70.0), (20.0, 90.0), (7.5, 92.5), (0.0, 100.0), (0.0, 0.0)]:
            recorder.ask()
            now[0] += waited
            recorder.give(samples=2, size=10)
            now[0] += busy
        recorder.ask()
        recorder.stop()
        recorder.log()
        recorder.log()
    assert recorder.statistics == LoaderStatistics(batches=5, samples=10, bytes=50, waited=57.5, busy=352.5)
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "starved for 26.4 % of the last 217.5 s (waited 57.5 s for 3 batches)"),
        ("INFO", "starved for 0.0 % of the last 192.5 s (waited 0.0 s for 2 batches)"),
    ]


@pytest.mark.parametrize(
    ("waits", "level"),
    [
        ([300.0], "INFO"),
        ([300.0, 59.0], "WARNING"),
        ([29.0, 30.0], "INFO"),
        ([30.0, 31.0], "WARNING"),
    ],
    ids=["first batch", "a later batch", "less than a minute", "more than a minute"],
)
def test_neither_a_short_run_nor_the_wait_for_the_first_batch_is_a_reason_to_warn(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, waits: list[float], level: str
) -> None:
    clock = Clock()
    monkeypatch.setattr("client.loading.trainer.statistics.time.perf_counter", clock)
    recorder = StatisticsRecorder(log_every=1000.0)
    with caplog.at_level(logging.INFO, "saccade_client"):
        for seconds in waits:
            recorder.ask()
            clock.now += seconds
            recorder.give(samples=2, size=10)
        recorder.log()  # as `close` does
    assert [(record.levelname, record.message[:17]) for record in caplog.records] == [(level, "starved for 100.0")]


def test_the_last_line_of_a_long_run_does_not_warn_of_a_moment(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    monkeypatch.setattr("client.loading.trainer.statistics.time.perf_counter", clock)
    recorder = StatisticsRecorder(log_every=60.0)
    recorder.dataset = "val"
    with caplog.at_level(logging.INFO, "saccade_client"):
        for busy in (60.0, 0.0, 0.0):
            recorder.ask()
            clock.now += 0.01
            recorder.give(samples=2, size=10)
            clock.now += busy
        recorder.log()
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("INFO", "val: starved for 0.0 % of the last 60.0 s (waited 0.0 s for 2 batches)"),
        ("INFO", "val: starved for 100.0 % of the last 0.0 s (waited 0.0 s for 1 batch)"),
    ]


def test_a_loader_logs_its_waiting_time_at_the_end(small: ScriptedServer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "saccade_client"), load(small.url, stop=3, log_every=60.0) as loaded:
        assert steps(loaded) == [0, 1, 2]
        statistics = loaded.statistics
    assert statistics.batches == 3
    assert statistics.waited > 0
    assert 0 < statistics.starved <= 1
    lines = [record.message for record in caplog.records if "starved" in record.message]
    assert len(lines) == 1
    assert lines[0].endswith("for 3 batches)")


# --- ahead ---


@pytest.mark.parametrize("ahead", [1, 3])
def test_prefetched_batches_are_available_after_the_worker_died(small: ScriptedServer, ahead: int) -> None:
    with load(small.url, ahead=ahead) as loaded:
        assert next(loaded).step == 0
        process = psutil.Process(loaded.process_id)
        until(lambda: idle(process))
        process.kill()
        assert steps(islice(loaded, ahead)) == list(range(1, 1 + ahead))
        assert loaded.statistics.restarts == 0
        assert next(loaded).step == 1 + ahead
        assert loaded.statistics.restarts == 1


def idle(process: psutil.Process) -> bool:
    before = process.cpu_times()
    time.sleep(0.3)
    return process.cpu_times() == before
