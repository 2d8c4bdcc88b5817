"""Keys worked out ahead are those of each step by itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client.protocol.expected_keys import ExpectedKeys
from client.protocol.requests import IndexRequest, Request, StepRequest, StreamRequest
from sampler.config.presets import PRESETS
from sampler.errors import InvalidRequestError
from sampler.stream.epoch_order import epoch_order, epoch_orders
from sampler.stream.keys import SampleKey
from sampler.stream.shards import MOST_AT_ONCE, STEP_LIMIT, Shard, keys_of_steps, last_step, step_keys
from sampler.wire.spec import ServiceSpec

SIZES = st.one_of(st.integers(1, 300), st.integers(1, 1 << 62))
SEEDS = st.integers(0, (1 << 64) - 1)


def spec(size: int) -> ServiceSpec:
    return ServiceSpec("d1", "dataset", size, ("a",), PRESETS["cornernet_saccade"], 64, 1 << 20)


@st.composite
def shards(draw: st.DrawFn) -> Shard:
    batch_size = draw(st.integers(1, 70))
    world_size = draw(st.integers(1, batch_size))
    return Shard(batch_size, draw(st.integers(0, world_size - 1)), world_size)


@settings(max_examples=60, deadline=None)
@given(size=SIZES, seed=SEEDS, first=st.integers(0, 1 << 50), count=st.integers(1, 9), shard=shards())
def test_the_keys_of_steps_at_once_are_those_of_each(
    size: int, seed: int, first: int, count: int, shard: Shard
) -> None:
    found = keys_of_steps(size, seed, first, count, shard)
    assert found == [step_keys(size, seed, step, shard) for step in range(first, first + count)]


def test_the_keys_of_steps_are_refused_past_the_last() -> None:
    for shard in (Shard(1), Shard(7), Shard(1 << 40, 3, 1 << 40)):
        last = last_step(shard)
        assert [len(keys) for keys in keys_of_steps(5, 0, last - 3, 4, shard)] == [shard.count] * 4
        with pytest.raises(InvalidRequestError, match="step = "):
            keys_of_steps(5, 0, last - 3, 5, shard)
        with pytest.raises(InvalidRequestError, match="step = "):
            keys_of_steps(5, 0, -1, 2, shard)


def follow(expected: ExpectedKeys, request: StreamRequest, most: int) -> list[list[SampleKey]]:
    found: list[list[SampleKey]] = []
    due: StreamRequest | None = request
    while due is not None and len(found) < most:
        found.append(expected.of(due))
        due = due.after_next()
    return found


@pytest.mark.parametrize("start", [0, 5, (1 << 63) // 20 - 8, (1 << 63) // 20 - 1])
@pytest.mark.parametrize("stop", [None, 8])
def test_a_stream_is_followed_to_its_end(start: int, stop: int | None) -> None:
    shard = Shard(20, 1, 3)
    end = None if stop is None else min(start + stop, last_step(shard) + 1)
    most = min(40, last_step(shard) + 1 - start, stop or 40)
    found = follow(ExpectedKeys(spec(50)), StreamRequest(seed=3, start=start, stop=end, shard=shard), most)
    assert found == [step_keys(50, 3, step, shard) for step in range(start, start + most)]


def test_a_stream_that_begins_again_elsewhere_is_followed_from_there() -> None:
    expected, shard = ExpectedKeys(spec(50)), Shard(20)
    for start in (0, 7, 3, 3):
        request = StreamRequest(seed=3, start=start, stop=None, shard=shard)
        assert follow(expected, request, 3) == [step_keys(50, 3, step, shard) for step in range(start, start + 3)]


@pytest.mark.parametrize(
    "request_", [IndexRequest(indices=(3, 1), seed=4), StepRequest(seed=4, step=2, shard=Shard(MOST_AT_ONCE + 1))]
)
def test_one_batch_is_expected_as_it_was_asked_for(request_: Request) -> None:
    assert ExpectedKeys(spec(50)).of(request_) == request_.expected_keys(spec(50))


def test_a_stream_from_the_last_step_on_has_one_batch() -> None:
    request = StreamRequest(seed=0, start=STEP_LIMIT - 1, stop=STEP_LIMIT, shard=Shard(1))
    assert follow(ExpectedKeys(spec(9)), request, 5) == [step_keys(9, 0, STEP_LIMIT - 1, Shard(1))]


def test_a_stream_that_is_to_stop_past_the_last_step_is_followed_up_to_there() -> None:
    shard = Shard(20)
    last = last_step(shard)
    expected = ExpectedKeys(spec(50))
    rest = StreamRequest(seed=3, start=last - 4, stop=last + 9, shard=shard)
    assert follow(expected, rest, 5) == [step_keys(50, 3, step, shard) for step in range(last - 4, last + 1)]
    with pytest.raises(InvalidRequestError, match="step = "):
        expected.of(StreamRequest(seed=3, start=last + 1, stop=last + 9, shard=shard))


def test_keys_of_many_epochs_are_worked_out_in_one_pass() -> None:
    epochs, places = np.array([7, 0, 7, 1 << 62, 1]), np.array([3, 0, 9, 4, 9])
    found = epoch_orders(10, 3, epochs, places)
    assert found.tolist() == [int(epoch_order(10, 3, *pair)) for pair in zip(epochs.tolist(), places, strict=True)]
    assert epoch_orders(10, 3, epochs[:0], places[:0]).tolist() == []
    with pytest.raises(InvalidRequestError, match="positions"):
        epoch_orders(9, 3, epochs, places)
