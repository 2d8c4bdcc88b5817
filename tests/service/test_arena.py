"""A slab of the arena cannot be borrowed again before the last view of it is gone."""

import asyncio
import gc
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.arena import (
    CHUNK,
    MAX_WARM_BYTES,
    PAGE,
    POPULATE_WRITE,
    PREFETCH_BYTES,
    Arena,
    AttachedArena,
    FreeRanges,
    warm_bytes,
)


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


def test_a_slab_is_released_with_its_last_view() -> None:
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


def test_a_shrunk_slab_releases_what_is_unused() -> None:
    arena = Arena(8 * PAGE)
    slab = arena.borrow(7 * PAGE)
    assert slab is not None
    assert arena.borrow(PAGE) is None
    assert slab.shrink(PAGE + 1) == 6 * PAGE
    assert (arena.bytes_in_use, arena.slabs_in_use) == (2 * PAGE, 1)
    assert arena.borrow(5 * PAGE) is not None
    arena.close()


def test_the_reserve_is_separate_from_the_shared_part() -> None:
    arena = Arena(PAGE, reserved=2, reserved_size=5000)
    assert arena.borrow(5000) is None
    borrowed = [arena.borrow_reserved(), arena.borrow_reserved()]
    assert arena.borrow_reserved() is None
    assert len({slab.offset for slab in borrowed if slab is not None and slab.capacity >= 5000}) == 2
    assert arena.shared_in_use == 0
    shared = arena.borrow(100)
    assert shared is not None
    assert arena.shared_in_use == shared.size < arena.bytes_in_use
    borrowed.clear()
    assert arena.borrow_reserved() is not None
    arena.close()


def test_another_process_that_has_the_descriptor_sees_the_bytes() -> None:
    arena = Arena(4 * PAGE)
    slab = arena.borrow(100)
    assert slab is not None
    os.pwrite(arena.descriptor, b"written elsewhere", slab.offset)
    assert bytes(slab.view(0, 17)) == b"written elsewhere"
    arena.close()


def test_without_memfd_the_memory_is_an_unlinked_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    arena = Arena(4 * PAGE)
    assert os.fstat(arena.descriptor).st_nlink == 0
    assert os.fstat(arena.descriptor).st_size == arena.capacity
    assert arena.borrow(100) is not None
    arena.close()


def test_waiting_for_memory_ends_when_some_is_released() -> None:
    async def scene() -> bool:
        arena = Arena(PAGE)
        borrowed = [arena.borrow(100)]
        assert arena.borrow(100) is None
        waiting = asyncio.create_task(arena.wait_for_release())
        await asyncio.sleep(0)
        borrowed.clear()
        await asyncio.wait_for(waiting, 10)
        return arena.borrow(100) is not None

    assert asyncio.run(scene())


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 9)), max_size=60))
def test_ranges_never_overlap_and_merge_when_freed(moves: list[tuple[bool, int]]) -> None:
    ranges = FreeRanges(0, 64)
    borrowed: list[tuple[int, int]] = []
    for take, size in moves:
        if take and (start := ranges.allocate(size)) is not None:
            assert 0 <= start <= 64 - size
            assert all(start + size <= other or other + length <= start for other, length in borrowed)
            borrowed.append((start, size))
        elif not take and borrowed:
            ranges.free(*borrowed.pop(size % len(borrowed)))
    for start, size in borrowed:
        ranges.free(start, size)
    assert ranges.allocate(64) == 0


# --- a worker's side ---

SIZE = 3 * CHUNK + 5 * PAGE


def attached(arena: Arena) -> AttachedArena:
    """A second mapping of an arena, as a worker has it."""
    return AttachedArena(os.dup(arena.descriptor))


@pytest.mark.parametrize("advice", [POPULATE_WRITE, 9999], ids=["this system's", "one no kernel knows"])
def test_populating_pages_does_not_change_them(monkeypatch: pytest.MonkeyPatch, advice: int) -> None:
    monkeypatch.setattr("service.arena.POPULATE_WRITE", advice)
    arena = Arena(SIZE)
    slab = arena.borrow(SIZE - 100)
    assert slab is not None
    theirs, again = attached(arena), attached(arena)
    theirs.populate(0, CHUNK)
    theirs.part(CHUNK - 3, 6)[:] = b"across"
    theirs.part(SIZE - 50, 3)[:] = b"end"
    again.populate(0, 10 * SIZE)
    assert bytes(again.part(CHUNK - 3, 6)) == b"across"
    assert bytes(again.part(SIZE - 50, 3)) == b"end"
    assert bytes(slab.view(CHUNK - 3, CHUNK + 3)) == b"across"
    arena.close()


def test_memory_in_constant_use_is_warmed_up_within_a_limit() -> None:
    assert warm_bytes(0) == PREFETCH_BYTES
    assert warm_bytes(5 << 20) == PREFETCH_BYTES + (5 << 20)
    assert warm_bytes(1 << 40) == MAX_WARM_BYTES
