"""The cache of views stays within its bytes and drops what was not used for longest."""

from hypothesis import given
from hypothesis import strategies as st

from service.views.cache import ViewCache


def test_the_view_that_was_not_used_for_longest_makes_room() -> None:
    cache = ViewCache(capacity=30)
    for name in "abc":
        cache.put(name, bytes(9))
    assert cache.get("a") is not None
    cache.put("d", bytes(9))
    assert [cache.get(name) is not None for name in "abcd"] == [True, False, True, True]
    assert (cache.hits, cache.misses) == (4, 1)


def test_a_view_over_the_capacity_is_not_cached_and_removes_no_other() -> None:
    cache = ViewCache(capacity=30)
    cache.put("a", b"view")
    cache.put("b", bytes(30))
    assert cache.get("a") == b"view"
    assert cache.get("b") is None


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.binary(max_size=20))))
def test_the_bytes_of_all_views_are_counted(views: list[tuple[str, bytes]]) -> None:
    cache = ViewCache(capacity=50)
    for name, view in views:
        cache.put(name, view)
        kept = {other: cache.get(other) for other in "abcdef"}
        assert cache.used == sum(1 + len(found) for found in kept.values() if found is not None) <= 50
