"""The memory that samples are written into: what is lent is nobody else's until the last view of it is gone."""

import asyncio
import gc
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.arena import PAGE, Arena, FreeRanges


def test_a_slab_begins_at_the_lowest_free_address() -> None:
    arena = Arena(16 * PAGE)
    first, second = arena.borrow(PAGE), arena.borrow(PAGE)
    assert first is not None
    assert second is not None
    assert (first.offset, second.offset) == (0, 2 * PAGE)  # a page for the samples, one for the count of them
    del first
    again = arena.borrow(100)
    assert again is not None
    assert again.offset == 0
    arena.close()


def test_a_slab_comes_back_with_its_last_view_and_not_before() -> None:
    arena = Arena(4 * PAGE)
    slab = arena.borrow(3 * PAGE)
    assert slab is not None
    view = slab.view(10, 20)
    part = view[2:4]
    del slab, view
    gc.collect()
    assert arena.borrow(3 * PAGE) is None
    del part
    assert arena.borrow(3 * PAGE) is not None
    arena.close()


def test_a_slab_keeps_only_what_was_used() -> None:
    arena = Arena(8 * PAGE)
    slab = arena.borrow(7 * PAGE)
    assert slab is not None
    assert arena.borrow(PAGE) is None
    assert slab.shrink(PAGE + 1) == 6 * PAGE
    assert (arena.bytes_in_use, arena.slabs_in_use) == (2 * PAGE, 1)
    assert arena.borrow(5 * PAGE) is not None
    arena.close()


def test_the_reserve_is_apart_from_what_is_shared() -> None:
    arena = Arena(PAGE, reserved=2, reserved_size=5000)
    assert arena.borrow(5000) is None
    lent = [arena.borrow_reserved(), arena.borrow_reserved()]
    assert arena.borrow_reserved() is None
    assert len({slab.offset for slab in lent if slab is not None and slab.capacity >= 5000}) == 2
    assert arena.borrow(100) is not None
    lent.clear()
    assert arena.borrow_reserved() is not None
    arena.close()


def test_another_process_that_has_the_descriptor_sees_the_bytes() -> None:
    arena = Arena(4 * PAGE)
    slab = arena.borrow(100)
    assert slab is not None
    os.pwrite(arena.descriptor, b"written elsewhere", slab.offset)
    assert bytes(slab.view(0, 17)) == b"written elsewhere"
    arena.close()


def test_without_memfd_the_memory_is_a_file_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    arena = Arena(4 * PAGE)
    assert os.fstat(arena.descriptor).st_nlink == 0
    assert os.fstat(arena.descriptor).st_size == arena.capacity
    assert arena.borrow(100) is not None
    arena.close()


def test_whoever_waits_for_room_is_told_when_some_comes_back() -> None:
    async def scene() -> bool:
        arena = Arena(PAGE)
        lent = [arena.borrow(100)]
        assert arena.borrow(100) is None
        waiting = asyncio.create_task(arena.wait_for_release())
        await asyncio.sleep(0)
        lent.clear()
        await asyncio.wait_for(waiting, 10)
        return arena.borrow(100) is not None

    assert asyncio.run(scene())


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 9)), max_size=60))
def test_ranges_never_overlap_and_all_come_together_again(moves: list[tuple[bool, int]]) -> None:
    extents = FreeRanges(0, 64)
    lent: list[tuple[int, int]] = []
    for take, size in moves:
        if take and (start := extents.allocate(size)) is not None:
            assert 0 <= start <= 64 - size
            assert all(start + size <= other or other + length <= start for other, length in lent)
            lent.append((start, size))
        elif not take and lent:
            extents.free(*lent.pop(size % len(lent)))
    for start, size in lent:
        extents.free(start, size)
    assert extents.allocate(64) == 0
