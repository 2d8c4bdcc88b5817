"""The parts of the server that can be looked at alone."""

import asyncio
import logging
from pathlib import Path

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampler.config.presets import preset
from sampler.errors import ImageError, InvalidRequestError
from sampler.stream.keys import SampleKey
from sampler.wire.messages import Header
from sampler.wire.spec import ServiceSpec
from service.batches.admission import Budget, Gate
from service.batches.selection import Batch, BatchParameters, StreamParameters, select_batch, select_stream
from service.errors.problems import TITLES, TYPE_PREFIX, ServiceError, problem_of
from service.metrics import Metrics
from service.middleware.request_log import printable
from service.settings import Settings, SettingsError, load_settings, processors
from service.shutdown import Shutdown
from service.workers.protocol import Job

SPEC = ServiceSpec("d" * 32, "e" * 32, 100, ("ant", "bee"), preset("cornernet_saccade"), 64, 1024)


def test_a_budget_never_lends_more_than_it_has() -> None:
    budget = Budget(10)
    assert budget.take(6)
    assert not budget.take(5)
    assert budget.take(4)
    budget.give(6)
    assert budget.free == 6


def test_a_gate_admits_as_many_as_it_has_places() -> None:
    gate = Gate(2)
    assert [gate.enter(), gate.enter(), gate.enter()] == [True, True, False]
    gate.leave()
    assert gate.enter()


@given(st.integers(1, 64), st.data())
def test_the_ranks_of_a_request_cover_its_step(batch_size: int, data: st.DataObject) -> None:
    world_size = data.draw(st.integers(1, batch_size))
    step = data.draw(st.integers(0, 10**9))
    parts = [
        select_batch(
            BatchParameters(seed=3, step=step, batch_size=batch_size, rank=rank, world_size=world_size), SPEC
        ).keys
        for rank in range(world_size)
    ]
    whole = select_batch(BatchParameters(seed=3, step=step, batch_size=batch_size), SPEC).keys
    assert tuple(key for part in parts for key in part) == whole


def test_a_stream_is_checked_before_its_first_batch() -> None:
    with pytest.raises(InvalidRequestError, match="world_size"):
        select_stream(StreamParameters(batch_size=2, world_size=3), SPEC)


def test_a_rank_may_be_as_large_as_the_limit_though_the_step_is_larger() -> None:
    asked = BatchParameters(step=0, batch_size=640, rank=3, world_size=10)
    assert len(select_batch(asked, SPEC).keys) == 64


def test_entity_tags_differ_with_everything_that_bytes_depend_on() -> None:
    keys = (SampleKey(1, 2, 3),)
    base = Header("digest", "compact", True, 1, None)
    others = [
        Header("other", "compact", True, 1, None),
        Header("digest", "dense", True, 1, None),
        Header("digest", "compact", False, 1, None),
        Header("digest", "compact", True, 1, 0),
    ]
    tags = {Batch(header, keys).etag for header in (base, *others)} | {Batch(base, (SampleKey(1, 2, 4),)).etag}
    assert len(tags) == 6
    assert Batch(base, keys).etag == Batch(base, keys).etag


def test_every_problem_type_has_a_status_and_a_title() -> None:
    for kind, (status, title) in TITLES.items():
        document = problem_of(ServiceError(kind, "detail", {"more": 1}))
        assert document == {
            "type": TYPE_PREFIX + kind, "title": title, "status": status, "detail": "detail", "more": 1,
        }  # fmt: skip


def test_an_image_error_becomes_a_problem_with_index_and_file() -> None:
    document = problem_of(ImageError("a/b.jpg", "missing", "there is no such file", 7))
    assert (document["status"], document["index"], document["file"], document["kind"]) == (500, 7, "a/b.jpg", "missing")


def test_an_unforeseen_error_is_the_servers_fault() -> None:
    assert problem_of(ZeroDivisionError("x"))["type"] == TYPE_PREFIX + "internal"


@given(st.builds(Job, st.sampled_from(["sample", "document", "picture"]),
                 st.builds(SampleKey, st.integers(0, 2**64 - 1), st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1)),
                 st.booleans(), st.sampled_from(["compact", "sparse", "dense"]), st.integers(0, 2**31)))  # fmt: skip
def test_a_job_survives_its_way_to_a_worker(job: Job) -> None:
    assert Job.decode(msgpack.unpackb(job.encode(12))) == (12, job)


def test_log_lines_cannot_be_forged_by_a_request_path() -> None:
    assert printable("/a\nINFO fake") == "/a\\nINFO fake"
    assert len(printable("x" * 10_000)) == 401


def test_gauges_read_their_value_when_asked() -> None:
    metrics, values = Metrics(), [1.0]
    metrics.watch("depth", "how deep", lambda: values[0])
    metrics.watch_count("falls", "how often", lambda: values[0])
    values[0] = 5.0
    assert b"\ndepth 5.0\n" in metrics.text()
    assert b"\nfalls_total 5.0\n" in metrics.text()


def test_settings_come_from_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SAMPLER_WORKERS", "3")
    monkeypatch.setenv("SAMPLER_CACHE_DIR", str(tmp_path))
    settings = load_settings()
    assert (settings.workers, settings.cache_dir) == (3, tmp_path)
    assert settings.annotations is None


def test_a_setting_without_a_near_name_lists_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPLER_QQQ", "3")
    with pytest.raises(SettingsError, match="expected one of SAMPLER_ANNOTATIONS"):
        load_settings()


def test_there_is_a_worker_for_each_processor_unless_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAMPLER_WORKERS", raising=False)
    assert Settings().workers == processors() >= 1


def test_shutdown_cuts_what_outlives_the_grace_time(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> bool:
        shutdown = Shutdown(0.05)
        body = asyncio.create_task(asyncio.sleep(30))
        shutdown.watch(body)
        shutdown.begin()
        shutdown.begin()
        await asyncio.wait([body], timeout=5)
        shutdown.forget()
        return body.cancelled()

    with caplog.at_level(logging.INFO, "saccade_sampler"):
        assert asyncio.run(scene())
    assert "cutting 1 responses" in caplog.text
