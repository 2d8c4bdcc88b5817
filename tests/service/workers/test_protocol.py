"""Setups and jobs arrive at the worker as they were sent, and replies at the server."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sampler.config.presets import preset
from sampler.dataset.images.decode import ReadOptions
from sampler.dataset.images.notes import NOTE_KINDS
from sampler.stream.keys import SampleKey
from service.workers.notices import Notice
from service.workers.protocol import (
    DatasetSetup,
    ImagesJob,
    Job,
    Outcome,
    Reply,
    RunJob,
    ViewJob,
    WorkerSetup,
    decode_job,
    encode_job,
)

KEYS = st.builds(SampleKey, st.integers(0, 2**64 - 1), st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
NUMBERS = st.integers(0, 2**60)
OPTION_VALUES = st.dictionaries(st.text(max_size=9), st.none() | st.booleans() | st.text(max_size=9), max_size=3)
VIEWS = st.builds(ViewJob, st.sampled_from(["document", "picture"]), NUMBERS, st.lists(KEYS, max_size=3).map(tuple),
                  st.booleans(), OPTION_VALUES)  # fmt: skip
RUNS = st.builds(RunJob, st.lists(KEYS, min_size=1, max_size=12).map(tuple), st.booleans(),
                 st.sampled_from(["compact", "sparse", "dense"]), *[NUMBERS] * 4)  # fmt: skip

OPTIONS = ReadOptions(max_pixels=9, damaged="refuse", follow_links=True)
IMAGES = st.builds(ImagesJob, st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=12).map(tuple), NUMBERS)


@given(VIEWS | RUNS | IMAGES, st.integers(0, 2**64 - 1))
def test_a_job_survives_the_way_to_a_worker(job: Job, number: int) -> None:
    assert decode_job(encode_job(number, job)) == (number, job)


def test_a_setup_survives_the_way_to_a_worker() -> None:
    small = WorkerSetup((DatasetSetup(Path("/index"), (Path("/images"),), preset("cornernet_saccade")),))
    stored = DatasetSetup(Path("/index"), (Path("/images"),), preset("cornernet"), OPTIONS, Path("/store"), 118_287)
    recorded = replace(stored, entry_points=Path("/entry-points/\udcff.bin"))
    full = WorkerSetup((*small.datasets, stored, recorded), 3, 5, Path("/kernels"), 7)
    undecodable = WorkerSetup((DatasetSetup(Path("/a\udcff"), (Path("/\udcff"), Path("/b")), preset("cornernet")),))
    places = (Path("/images"), "s3://bucket/images")
    remote = WorkerSetup((DatasetSetup(Path("/index"), places, preset("cornernet"), stamps=Path("/states.bin")),))
    for setup in (small, full, undecodable, remote):
        assert WorkerSetup.decode(setup.encode()) == setup


NOTICES = st.builds(Notice, NUMBERS, NUMBERS, st.sampled_from(NOTE_KINDS), st.text(max_size=9), st.text(max_size=9))


COUNTS = st.tuples(*[st.integers(0, 2**32 - 1)] * 3)


@given(
    st.integers(0, 2**64 - 1), st.sampled_from(Outcome), st.binary(max_size=50), st.lists(NOTICES, max_size=3), COUNTS,
    st.floats(0, 1e6), st.lists(st.floats(0, 1e6), max_size=12).map(tuple),
)  # fmt: skip
def test_a_reply_survives_the_way_to_the_server(
    number: int,
    outcome: Outcome,
    payload: bytes,
    notices: list[Notice],
    counts: tuple[int, int, int],
    seconds: float,
    sample_seconds: tuple[float, ...],
) -> None:
    reply = Reply(number, outcome, payload, tuple(notices), counts, seconds, sample_seconds)
    assert Reply.decode(reply.encode()) == reply


@given(st.binary(max_size=80))
def test_any_other_bytes_are_no_reply(body: bytes) -> None:
    with suppress(ConnectionError):
        Reply.decode(body)
