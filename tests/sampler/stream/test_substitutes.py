"""Substitutes: a usable image for each key of an unusable one."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampler.errors import InvalidRequestError
from sampler.rng.distributions import integer
from sampler.rng.philox import random_bits
from sampler.stream.keys import SampleKey
from sampler.stream.substitutes import Substitutes

SEEDS = st.integers(0, (1 << 64) - 1)
EPOCHS = st.integers(0, (1 << 63) - 1)


@st.composite
def lists(draw: st.DrawFn) -> Substitutes:
    """Any unusable images of a dataset with at least one usable image."""
    size = draw(st.integers(1, 40))
    usable = draw(st.integers(0, size - 1))
    others = sorted(draw(st.sets(st.integers(0, size - 1))) - {usable})
    return Substitutes(tuple(others), size)


@given(lists(), SEEDS, EPOCHS)
def test_each_key_has_a_usable_image_and_usable_images_stay(substitutes: Substitutes, seed: int, epoch: int) -> None:
    usable = [index for index in range(substitutes.size) if index not in substitutes.unusable]
    for index in range(substitutes.size):
        image = substitutes.image_of(SampleKey(seed, epoch, index))
        assert image == index if index in usable else image in usable


@given(lists(), SEEDS, EPOCHS)
def test_the_substitute_is_the_drawn_one_among_the_usable_images(
    substitutes: Substitutes, seed: int, epoch: int
) -> None:
    usable = [index for index in range(substitutes.size) if index not in substitutes.unusable]
    for index in substitutes.unusable:
        [bits] = random_bits(seed, 0x5ACCADE0_0000_0003, epoch, index, 1).tolist()
        assert substitutes.image_of(SampleKey(seed, epoch, index)) == usable[integer(bits, 0, len(usable) - 1)]


def test_the_substitutes_of_some_keys_never_change() -> None:
    substitutes = Substitutes((0, 5, 6, 99), 100)
    places = [(7, 0, 0), (7, 1, 0), (8, 0, 0), (7, 0, 5), ((1 << 64) - 1, 3, 99)]
    assert [substitutes.image_of(SampleKey(*place)) for place in places] == [88, 2, 12, 49, 74]


@pytest.mark.parametrize("vary", ["seed", "epoch", "index"])
def test_every_usable_image_is_equally_likely_over_seeds_epochs_and_indices(vary: str) -> None:
    substitutes = Substitutes(tuple(range(0, 4000, 2)), 4001)
    few = Substitutes(tuple(range(3, 4001)), 4001)
    plain = {"seed": 3, "epoch": 2, "index": 10}
    counts = Counter(few.image_of(SampleKey(**plain | {vary: number})) for number in range(4, 3004))
    assert set(counts) == {0, 1, 2}
    assert all(abs(count - 1000) < 150 for count in counts.values())
    assert substitutes.image_of(SampleKey(3, 2, 10)) % 2 == 1


def test_digests_differ_if_and_only_if_the_images_do() -> None:
    assert Substitutes((1, 2), 9).digest == Substitutes((1, 2), 9).digest
    assert len({Substitutes(listed, 9).digest for listed in ((1, 2), (1,), (2,), (1, 2, 3))}) == 4


@pytest.mark.parametrize(("unusable", "size"), [((2, 1), 9), ((1, 1), 9), ((-1, 2), 9), ((3, 9), 9), ((0, 1), 2)])
def test_a_list_that_is_unordered_out_of_range_or_complete_is_refused(unusable: tuple[int, ...], size: int) -> None:
    with pytest.raises(InvalidRequestError, match="unusable = "):
        Substitutes(unusable, size)
