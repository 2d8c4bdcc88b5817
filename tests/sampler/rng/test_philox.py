"""Each stream of random bits is a function of its name, and no two streams share any bits."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sampler.rng.philox import ORDER_DOMAIN, RECIPE_DOMAIN, random_bits
from sampler.stream.keys import EPOCH_LIMIT, INDEX_LIMIT, SEED_LIMIT

Key = tuple[int, int, int]
KEYS = st.tuples(st.integers(0, SEED_LIMIT - 1), st.integers(0, EPOCH_LIMIT - 1), st.integers(0, INDEX_LIMIT - 1))


def bits(key: Key, count: int, domain: int = RECIPE_DOMAIN) -> list[int]:
    seed, epoch, index = key
    found: list[int] = random_bits(seed, domain, epoch, index, count).tolist()
    return found


@given(KEYS, st.integers(1, 40))
def test_a_stream_is_the_same_each_time_and_longer_ones_start_with_it(key: Key, count: int) -> None:
    assert bits(key, count) == bits(key, 40)[:count]


@given(KEYS, KEYS)
def test_two_keys_share_no_bits(first: Key, second: Key) -> None:
    assert first == second or not set(bits(first, 19)) & set(bits(second, 19))


def test_neighbouring_keys_share_no_bits() -> None:
    drawn = [bits((seed, epoch, index), 19) for seed in range(6) for epoch in range(6) for index in range(6)]
    assert len(np.unique(drawn)) == 6**3 * 19


def test_seed_0_epoch_1_is_not_seed_1_epoch_0() -> None:
    assert bits((0, 1, 0), 4) != bits((1, 0, 0), 4)


def test_domains_share_no_bits() -> None:
    assert not set(bits((5, 3, 0), 40, ORDER_DOMAIN)) & set(bits((5, 3, 0), 40))


def test_every_bit_is_a_fair_coin_flip() -> None:
    drawn = np.array([bits((1, 2, index), 19) for index in range(2000)], np.uint64).ravel()
    for bit in range(64):
        ones = int((drawn >> np.uint64(bit) & np.uint64(1)).sum())
        assert stats.binomtest(ones, len(drawn), 0.5).pvalue > 1e-5, bit


def test_streams_are_pinned() -> None:
    """If these change, every sample changes: `SAMPLER_VERSION` must then rise."""
    assert bits((7, 3, 12345), 3) == [15925645023142046210, 17955850962987769740, 10186036728795816934]
    assert bits((7, 3, 0), 2, ORDER_DOMAIN) == [6498941745790545651, 9535643818144409713]
