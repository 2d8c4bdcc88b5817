"""Keys computed for several steps or epochs at once are those of each step or epoch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampler.errors import InvalidRequestError
from sampler.stream.epoch_order import epoch_order
from sampler.stream.shards import Shard, last_step, step_keys, stream_keys

SIZES = st.one_of(st.integers(1, 300), st.integers(1, 1 << 62))
SEEDS = st.integers(0, (1 << 64) - 1)


@st.composite
def shards(draw: st.DrawFn) -> Shard:
    batch_size = draw(st.integers(1, 70))
    world_size = draw(st.integers(1, batch_size))
    return Shard(batch_size, draw(st.integers(0, world_size - 1)), world_size)


@settings(max_examples=60, deadline=None)
@given(size=SIZES, seed=SEEDS, first=st.integers(0, 1 << 50), count=st.integers(1, 9), shard=shards())
def test_the_keys_of_a_stream_are_those_of_its_steps(
    size: int, seed: int, first: int, count: int, shard: Shard
) -> None:
    steps = range(first, first + count)
    assert list(stream_keys(size, seed, steps, shard)) == [step_keys(size, seed, step, shard) for step in steps]


def test_a_stream_is_refused_at_the_first_step_out_of_range() -> None:
    for shard in (Shard(1), Shard(7), Shard(1 << 40, 3, 1 << 40)):
        last = last_step(shard)
        keys = stream_keys(5, 0, range(last - 3, last + 5), shard)
        assert [len(next(keys)) for _ in range(4)] == [shard.count] * 4
        with pytest.raises(InvalidRequestError, match="step = "):
            next(keys)
        with pytest.raises(InvalidRequestError, match="step = -1"):
            next(stream_keys(5, 0, range(-1, 2), shard))


def test_keys_of_many_epochs_are_computed_in_one_pass() -> None:
    epochs, places = np.array([7, 0, 7, 1 << 62, 1]), np.array([3, 0, 9, 4, 9])
    found = epoch_order(10, 3, epochs, places)
    assert found.tolist() == [int(epoch_order(10, 3, *pair)) for pair in zip(epochs.tolist(), places, strict=True)]
    assert epoch_order(10, 3, epochs[:0], places[:0]).tolist() == []
    with pytest.raises(InvalidRequestError, match="positions"):
        epoch_order(9, 3, epochs, places)
