"""Placement: the same key goes to the same server, few keys move with the servers, and no server has too much."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.fleet.placement import LOAD_FACTOR, Candidate, choose, most_in_flight, placement_key, rank_of, server_salt
from tests.support.processes import output_of

KEYS = st.binary(max_size=40)
NAMES = st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=12, unique=True)


def idle(urls: list[str]) -> list[Candidate]:
    return [Candidate(server_salt(url), 0) for url in urls]


def first(key: bytes, urls: list[str]) -> str:
    return urls[choose(key, idle(urls))]


def test_a_key_has_everything_that_identifies_a_batch() -> None:
    place = ("digest", 7, 12, 0, 4)
    others = [("other", 7, 12, 0, 4), ("digest", 8, 12, 0, 4), ("digest", 7, 13, 0, 4), ("digest", 7, 12, 1, 4),
              ("digest", 7, 12, 0, 5), ("digest", 71, 2, 0, 4)]  # fmt: skip
    assert len({placement_key(*place), *(placement_key(*other) for other in others)}) == 7


def test_other_processes_choose_the_same_server() -> None:
    urls = [f"http://host-{number}:8000" for number in range(7)]
    code = f"from tests.client.fleet.test_placement import first; print(first(b'key', {urls!r}))"
    assert output_of(code) == first(b"key", urls)


@given(KEYS, NAMES, st.randoms(use_true_random=False))
def test_the_order_of_the_servers_does_not_matter(key: bytes, urls: list[str], random: Random) -> None:
    shuffled = random.sample(urls, len(urls))
    assert first(key, urls) == first(key, shuffled)


@given(KEYS, NAMES.filter(lambda urls: len(urls) > 1), st.data())
def test_a_removed_server_moves_only_its_keys(key: bytes, urls: list[str], data: st.DataObject) -> None:
    removed = data.draw(st.sampled_from(urls))
    left = [url for url in urls if url != removed]
    if first(key, urls) != removed:
        assert first(key, left) == first(key, urls)


@given(KEYS, st.lists(st.integers(0, 50), min_size=1, max_size=8))
def test_no_server_gets_more_than_the_bounded_load(key: bytes, loads: list[int]) -> None:
    candidates = [Candidate(server_salt(str(place)), load) for place, load in enumerate(loads)]
    place = choose(key, candidates)
    fair = (sum(loads) + 1) / len(loads)
    assert len(loads) == 1 or loads[place] + 1 <= LOAD_FACTOR * fair + 1
    assert len(loads) == 1 or loads[place] + 1 <= most_in_flight(sum(loads) + 1, len(loads))
    below = [at for at, load in enumerate(loads) if load < most_in_flight(sum(loads) + 1, len(loads))]
    ranks = [rank_of(key, candidates[at].salt) for at in below]
    assert len(loads) == 1 or rank_of(key, candidates[place].salt) == max(ranks)


def test_keys_spread_evenly() -> None:
    urls = [f"http://host-{number}:8000" for number in range(5)]
    counts = Counter(first(placement_key("digest", 7, step, 0, 1), urls) for step in range(5000))
    assert all(850 <= counts[url] <= 1150 for url in urls), counts


def test_there_is_no_choice_without_servers() -> None:
    with pytest.raises(ValueError, match="empty"):
        choose(b"key", [])
