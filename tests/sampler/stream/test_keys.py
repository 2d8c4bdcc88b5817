"""Keys name samples, and each has random words of its own."""

import json

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sampler.errors import InvalidRequestError
from sampler.stream.keys import EPOCH_LIMIT, INDEX_LIMIT, SEED_LIMIT, SampleKey, order_words, recipe_words

KEYS = st.builds(
    SampleKey, st.integers(0, SEED_LIMIT - 1), st.integers(0, EPOCH_LIMIT - 1), st.integers(0, INDEX_LIMIT - 1)
)


@given(KEYS, st.integers(1, 40))
def test_the_words_of_a_key_are_the_same_each_time_and_more_of_them_begin_alike(key: SampleKey, count: int) -> None:
    assert recipe_words(key, count).tolist() == recipe_words(key, 40).tolist()[:count]


@given(KEYS, KEYS)
def test_two_keys_share_no_words(first: SampleKey, second: SampleKey) -> None:
    shared = set(recipe_words(first, 19).tolist()) & set(recipe_words(second, 19).tolist())
    assert not shared or first == second


def test_neighbours_in_any_word_share_no_words() -> None:
    keys = [SampleKey(seed, epoch, index) for seed in range(6) for epoch in range(6) for index in range(6)]
    drawn = np.concatenate([recipe_words(key, 19) for key in keys])
    assert len(np.unique(drawn)) == len(drawn)


def test_seed_and_epoch_are_separate_words() -> None:
    assert recipe_words(SampleKey(0, 1, 0), 4).tolist() != recipe_words(SampleKey(1, 0, 0), 4).tolist()
    assert order_words(0, 1, 4).tolist() != order_words(1, 0, 4).tolist()


def test_orders_and_recipes_use_different_words() -> None:
    assert not set(order_words(5, 3, 40).tolist()) & set(recipe_words(SampleKey(5, 3, 0), 40).tolist())


def test_every_bit_of_the_words_is_fair() -> None:
    drawn = np.concatenate([recipe_words(SampleKey(1, 2, index), 19) for index in range(2000)])
    for bit in range(64):
        ones = int((drawn >> np.uint64(bit) & np.uint64(1)).sum())
        assert stats.binomtest(ones, len(drawn), 0.5).pvalue > 1e-5, bit


def test_words_are_pinned() -> None:
    """If these change, every sample changes: `SAMPLER_VERSION` must then rise."""
    assert recipe_words(SampleKey(7, 3, 12345), 3).tolist() == PINNED_RECIPE
    assert order_words(7, 3, 2).tolist() == PINNED_ORDER


@pytest.mark.parametrize("field", ["seed", "epoch", "index"])
@pytest.mark.parametrize("value", [-1, 1 << 64, 1.0, "1", None, True, np.int64(-1), np.float64(1)])
def test_a_key_refuses_what_is_no_integer_in_range_by_name(field: str, value: object) -> None:
    words: dict[str, object] = {"seed": 0, "epoch": 0, "index": 0, field: value}
    with pytest.raises(InvalidRequestError, match=f"{field} = .*: expected an integer from 0 to") as caught:
        SampleKey(**words)  # type: ignore[arg-type] # that is the point
    assert (caught.value.field, caught.value.value) == (field, value)


def test_numpys_integers_become_plain_ones() -> None:
    key = SampleKey(np.uint64(1 << 63), np.int8(2), np.int32(3))  # type: ignore[arg-type] # integers all the same
    assert key == SampleKey(1 << 63, 2, 3)
    assert json.loads(json.dumps(key.as_dict())) == msgpack.unpackb(msgpack.packb(key.as_dict()))


def test_keys_sort_by_seed_epoch_and_index() -> None:
    keys = [SampleKey(1, 0, 0), SampleKey(0, 1, 0), SampleKey(0, 0, 1), SampleKey(0, 0, 0)]
    assert sorted(keys) == keys[::-1]


PINNED_RECIPE = [15925645023142046210, 17955850962987769740, 10186036728795816934]
PINNED_ORDER = [6498941745790545651, 9535643818144409713]
