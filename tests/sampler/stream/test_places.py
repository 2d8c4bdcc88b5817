"""Places in the stream of one process lead to samples, and samples to their places."""

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from sampler.stream.epoch_order import epoch_order, place_in_epoch
from sampler.stream.keys import EPOCH_LIMIT, SEED_LIMIT, SampleKey
from sampler.stream.places import StreamPlace
from sampler.stream.shards import Shard, last_step, stream_keys

SIZES = st.integers(1, 200_000)
SEEDS = st.integers(0, SEED_LIMIT - 1)


@given(SIZES, SEEDS, st.integers(0, EPOCH_LIMIT - 1), st.data())
def test_the_place_of_an_index_in_an_epoch_is_where_the_order_has_it(
    size: int, seed: int, epoch: int, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, size - 1))
    assert epoch_order(size, seed, epoch, [place_in_epoch(size, seed, epoch, index)]).tolist() == [index]


@given(st.integers(1, 50), SEEDS, st.integers(0, 60), st.integers(1, 9))
def test_a_sample_is_at_its_place(size: int, seed: int, epoch: int, batch_size: int) -> None:
    key = SampleKey(seed, epoch, size // 2)
    place = StreamPlace.of(key, size, Shard(batch_size))
    assert place is not None
    assert place.key(size, seed) == key


def test_a_sample_beyond_the_last_step_has_no_place() -> None:
    assert StreamPlace.of(SampleKey(0, EPOCH_LIMIT - 1, 5), 1000, Shard(4)) is None


@given(st.integers(1, 50), SEEDS, st.integers(0, 60), st.integers(1, 12), st.data())
def test_a_sample_has_a_place_in_the_part_of_one_rank(
    size: int, seed: int, epoch: int, batch_size: int, data: st.DataObject
) -> None:
    world_size = data.draw(st.integers(1, batch_size))
    key = SampleKey(seed, epoch, size // 2)
    places = [StreamPlace.of(key, size, Shard(batch_size, rank, world_size)) for rank in range(world_size)]
    [place] = [place for place in places if place is not None]
    assert place.key(size, seed) == key
    whole = StreamPlace.of(key, size, Shard(batch_size))
    assert whole is not None
    assert place.position == whole.position == whole.samples_before


@given(st.integers(1, 40), st.integers(1, 12), st.data())
def test_places_follow_each_other_in_stream_order(size: int, batch_size: int, data: st.DataObject) -> None:
    world_size = data.draw(st.integers(1, batch_size))
    shard = Shard(batch_size, data.draw(st.integers(0, world_size - 1)), world_size)
    keys = [key for step in stream_keys(size, 7, range(6), shard) for key in step]
    place: StreamPlace | None = StreamPlace(0, shard, 0)
    assert place is not None
    assert place.before is None
    walked = []
    for _ in islice(keys, len(keys)):
        assert place is not None
        walked.append(place.key(size, 7))
        following = place.after()
        assert following is not None
        assert following.before == place
        place = following
    assert walked == keys
    assert StreamPlace(0, shard, 0).keys(size, 7, len(keys)) == keys
    assert StreamPlace(0, shard, 0).after(len(keys)) == place


def test_nothing_follows_the_last_place() -> None:
    shard = Shard(4)
    assert StreamPlace(last_step(shard), shard, 3).after() is None
    assert StreamPlace.at((last_step(shard) + 1) * 4, shard) is None


def test_nothing_precedes_the_first_place() -> None:
    assert StreamPlace.at(-1, Shard(4)) is None
    assert StreamPlace.at(0, Shard(4)) == StreamPlace(0, Shard(4), 0)
