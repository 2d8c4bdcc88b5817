"""The stream of a seed: steps, ranks, and going on where one stopped."""

from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampler.errors import InvalidRequestError
from sampler.stream.epoch_order import epoch_order
from sampler.stream.keys import SampleKey
from sampler.stream.shards import STEP_LIMIT, Shard, keys_from, last_step, step_keys
from tests.support.laws import (
    assert_ranks_cover_a_step_once,
    assert_resume_continues,
    assert_stream_visits_epochs_whole,
)

SEEDS = st.integers(0, (1 << 64) - 1)


@given(st.integers(1, 500), SEEDS, st.integers(0, 10**9), st.integers(1, 80), st.data())
def test_the_ranks_of_any_world_cover_a_step_exactly_once(
    size: int, seed: int, step: int, batch_size: int, data: st.DataObject
) -> None:
    world_size = data.draw(st.integers(1, batch_size))
    assert_ranks_cover_a_step_once(size, seed, step, batch_size, world_size)


@pytest.mark.parametrize("batch_size", range(1, 17))
def test_every_world_size_of_small_batches_covers_every_step(batch_size: int) -> None:
    for world_size in range(1, batch_size + 1):
        for step in range(3):
            assert_ranks_cover_a_step_once(10, 4, step, batch_size, world_size)


@given(st.integers(1, 60), SEEDS, st.integers(1, 150))
def test_the_stream_is_one_whole_epoch_after_the_other(size: int, seed: int, batch_size: int) -> None:
    assert_stream_visits_epochs_whole(size, seed, batch_size, epochs=3)


@given(st.integers(1, 200), SEEDS, st.integers(1, 50), st.integers(0, 10**6), st.integers(0, 12))
def test_a_stream_resumed_at_any_step_goes_on_exactly(
    size: int, seed: int, batch_size: int, start: int, skipped: int
) -> None:
    def steps_from(first: int) -> list[list[SampleKey]]:
        return [step_keys(size, seed, step, Shard(batch_size)) for step in range(first, start + 15)]

    assert_resume_continues(steps_from, start, start + skipped)


@given(st.integers(1, 100), SEEDS, st.integers(1, 40), st.integers(1, 7))
def test_the_stream_does_not_depend_on_how_it_is_cut_into_steps(
    size: int, seed: int, batch_size: int, times: int
) -> None:
    long = step_keys(size, seed, 3, Shard(batch_size * times))
    short = (step_keys(size, seed, 3 * times + part, Shard(batch_size)) for part in range(times))
    assert long == list(chain(*short))


@given(st.integers(1, 1000), SEEDS, st.integers(0, 1 << 40), st.integers(1, 20))
def test_position_p_is_place_p_modulo_n_of_epoch_p_over_n(size: int, seed: int, step: int, batch_size: int) -> None:
    for offset, key in enumerate(step_keys(size, seed, step, Shard(batch_size))):
        epoch, place = divmod(step * batch_size + offset, size)
        assert key == SampleKey(seed, epoch, int(epoch_order(size, seed, epoch, place)))


def test_a_batch_larger_than_the_dataset_runs_through_several_epochs() -> None:
    keys = step_keys(3, 0, 0, Shard(10))
    assert [key.epoch for key in keys] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]


def test_ranks_take_floor_shares_in_order() -> None:
    assert [Shard(10, rank, 4).bounds for rank in range(4)] == [(0, 2), (2, 5), (5, 7), (7, 10)]
    assert [Shard(10, rank, 4).count for rank in range(4)] == [2, 3, 2, 3]


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": -3}, "batch_size"),
        ({"batch_size": 2.0}, "batch_size"),
        ({"batch_size": True}, "batch_size"),
        ({"batch_size": 4, "world_size": 5}, "world_size"),
        ({"batch_size": 4, "world_size": 0}, "world_size"),
        ({"batch_size": 4, "rank": 1}, "rank"),
        ({"batch_size": 4, "rank": 2, "world_size": 2}, "rank"),
        ({"batch_size": 4, "rank": -1, "world_size": 2}, "rank"),
    ],
)
def test_a_shard_refuses_what_makes_no_sense_by_name(fields: dict[str, int], name: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{name} = .*: expected an integer from") as caught:
        Shard(**fields)
    assert caught.value.field == name


@pytest.mark.parametrize(
    ("size", "seed", "step", "name"),
    [(0, 0, 0, "size"), (5, -1, 0, "seed"), (5, 1 << 64, 0, "seed"), (5, 0, -1, "step"), (5, 0, 1.5, "step"),
     (5, 0, STEP_LIMIT + 1, "step"), (5, 0, STEP_LIMIT, "step")],
)  # fmt: skip
def test_a_step_refuses_what_makes_no_sense_by_name(size: int, seed: int, step: int, name: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{name} = "):
        step_keys(size, seed, step, Shard(8))


@pytest.mark.parametrize("batch_size", [1, 8, 48])
def test_the_last_step_there_is_still_works_at_every_size(batch_size: int) -> None:
    last = min(STEP_LIMIT, (1 << 63) // batch_size - 1)
    for size in (1, 3, 118287, 1 << 62):
        assert len(step_keys(size, 0, last, Shard(batch_size))) == batch_size
    if last < STEP_LIMIT:
        with pytest.raises(InvalidRequestError, match=f"step = {last + 1}: expected at most {last} at this batch size"):
            step_keys(5, 0, last + 1, Shard(batch_size))


def test_numpys_integers_do_not_overflow() -> None:
    shard = Shard(np.int32(1 << 20), np.int32((1 << 20) - 1), np.int32(1 << 20))  # type: ignore[arg-type] # integers all the same
    assert shard == Shard(1 << 20, (1 << 20) - 1, 1 << 20)
    keys = step_keys(np.int16(100), np.uint64(3), np.int64(1 << 42), shard)  # type: ignore[arg-type] # as above
    assert keys == step_keys(100, 3, 1 << 42, Shard(1 << 20, (1 << 20) - 1, 1 << 20))


@given(st.integers(1, 60), SEEDS, st.integers(1, 20), st.integers(0, 40), st.integers(0, 50), st.data())
def test_keys_from_any_place_are_those_of_the_steps(
    size: int, seed: int, batch_size: int, step: int, count: int, data: st.DataObject
) -> None:
    world_size = data.draw(st.integers(1, batch_size))
    shard = Shard(batch_size, data.draw(st.integers(0, world_size - 1)), world_size)
    first = data.draw(st.integers(0, shard.count - 1))
    stream = chain.from_iterable(step_keys(size, seed, number, shard) for number in range(step, step + count + 1))
    assert keys_from(size, seed, step, first, count, shard) == list(stream)[first : first + count]


@pytest.mark.parametrize("batch_size", [1, 3, 48, 1 << 61, 1 << 62])
def test_keys_from_a_place_end_with_the_stream(batch_size: int) -> None:
    shard = Shard(batch_size)
    keys = keys_from(118287, 7, last_step(shard), batch_size - 1, 10, shard)
    assert len(keys) == 1


def test_keys_from_a_place_beyond_the_step_are_refused_by_name() -> None:
    with pytest.raises(InvalidRequestError, match=r"^first = 4: expected an integer from 0 to 3"):
        keys_from(100, 0, 0, 4, 1, Shard(4))
    with pytest.raises(InvalidRequestError, match=r"^step = "):
        keys_from(100, 0, last_step(Shard(4)) + 1, 0, 1, Shard(4))
