"""Parameters select keys; invalid ones are refused before anything is made."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampler.config.presets import preset
from sampler.errors import InvalidRequestError
from sampler.stream.keys import SampleKey
from sampler.wire.messages import Header
from sampler.wire.spec import ServiceSpec
from service.batches.parameters import (
    BatchParameters,
    ImagesParameters,
    SamplePageParameters,
    SampleParameters,
    StreamParameters,
)
from service.batches.selection import Batch, select_batch, select_images, select_place, select_sample, select_stream
from service.errors.problems import ServiceError

SPEC = ServiceSpec("d" * 32, "e" * 32, 100, ("ant", "bee"), preset("cornernet_saccade"), 64, 1024)


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


def test_the_limit_counts_the_samples_of_a_rank_not_of_its_step() -> None:
    parameters = BatchParameters(step=0, batch_size=640, rank=3, world_size=10)
    assert len(select_batch(parameters, SPEC).keys) == 64


def test_entity_tags_differ_with_everything_that_bytes_depend_on() -> None:
    keys = (SampleKey(1, 2, 3),)
    base = Header("digest", "compact", True, 1, None)
    others = [
        Header("other", "compact", True, 1, None),
        Header("digest", "dense", True, 1, None),
        Header("digest", "compact", False, 1, None),
        Header("digest", "compact", True, 1, 0),
    ]
    batches = [Batch(header, keys) for header in (base, *others)]
    batches += [Batch(base, (SampleKey(1, 2, 4),)), Batch(base, keys, pixels="a"), Batch(base, keys, pixels="b")]
    assert len({batch.etag for batch in batches}) == len(batches) == 8
    assert Batch(base, keys).etag == Batch(base, keys).etag


@pytest.mark.parametrize("pixels", [None, "a" * 32])
@pytest.mark.parametrize("asked", [None, "a" * 32, "b" * 32])
def test_pixels_are_compared_if_both_sides_know_them(pixels: str | None, asked: str | None) -> None:
    spec = replace(SPEC, pixels=pixels)

    def select() -> None:
        select_sample(1, SampleParameters(pixels=asked), spec)
        select_batch(BatchParameters(indices=[1], pixels=asked), spec)
        select_stream(StreamParameters(batch_size=4, pixels=asked), spec)

    if pixels != asked and None not in (pixels, asked):
        with pytest.raises(ServiceError, match="the image files or the substitutes differ") as caught:
            select()
        assert caught.value.kind == "digest-mismatch"
        assert caught.value.members == {"field": "pixels", "expected": asked, "actual": pixels}
    else:
        select()


def test_batches_that_differ_only_in_the_middle_are_different() -> None:
    header = Header("d" * 32, "compact", True, 3, None)
    first, other = (Batch(header, tuple(SampleKey(1, 0, index) for index in row)) for row in ((1, 2, 3), (1, 5, 3)))
    assert first != other
    assert {first: "first", other: "other"}[other] == "other"
    assert first.etag != other.etag


def test_a_step_of_a_stream_and_the_same_step_alone_are_the_same_batch() -> None:
    streamed = list(select_stream(StreamParameters(seed=4, start=7, stop=9, batch_size=12, rank=1, world_size=3), SPEC))
    parameters = BatchParameters(seed=4, step=8, batch_size=12, rank=1, world_size=3)
    for alone in (select_batch(parameters, SPEC), select_batch(parameters, SPEC)):
        assert alone == streamed[1]
        assert hash(alone) == hash(streamed[1])
        assert alone.etag == streamed[1].etag


@pytest.mark.parametrize("indices", [[], [3, -1]], ids=str)
def test_indices_of_no_dataset_are_invalid_whatever_digest_the_request_names(indices: list[int]) -> None:
    with pytest.raises(InvalidRequestError, match="indices"):
        select_batch(BatchParameters(indices=indices, digest="f" * 32), SPEC)
    with pytest.raises(InvalidRequestError, match="indices"):
        select_images(ImagesParameters(indices=indices, digest="f" * 32), SPEC)


def test_an_incomplete_place_of_a_sample_is_refused_by_what_its_page_has() -> None:
    for named, missing in (({"rank": 3}, "step"), ({"world_size": 2, "step": 1}, "batch_size")):
        with pytest.raises(InvalidRequestError, match=f"{missing} = None: expected a value: a place in a stream"):
            select_place(SampleKey(0, 0, 1), SamplePageParameters.model_validate(named), SPEC)


def test_an_index_beyond_another_dataset_is_a_mismatch_of_the_digest() -> None:
    with pytest.raises(ServiceError, match="digest"):
        select_batch(BatchParameters(indices=[100], digest="f" * 32), SPEC)
