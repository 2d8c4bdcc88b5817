"""A worker's view of the arena is the same memory, however its pages come to be there."""

import os

import pytest

from service.arena import MAX_WARM_BYTES, PREFETCH_BYTES, Arena, warm_bytes
from service.workers import run_writer
from service.workers.run_writer import CHUNK, AttachedArena

SIZE = 3 * CHUNK + 5 * 4096


def attached(arena: Arena) -> AttachedArena:
    """A second mapping of an arena, as a worker has it."""
    return AttachedArena(os.dup(arena.descriptor))


@pytest.mark.parametrize("advice", [run_writer.POPULATE_WRITE, 9999], ids=["this system's", "one no kernel knows"])
def test_pages_that_are_met_keep_what_others_wrote(monkeypatch: pytest.MonkeyPatch, advice: int) -> None:
    monkeypatch.setattr(run_writer, "POPULATE_WRITE", advice)
    arena = Arena(SIZE)
    slab = arena.borrow(SIZE - 100)
    assert slab is not None
    theirs, again = attached(arena), attached(arena)
    theirs.part(CHUNK - 3, 6)[:] = b"across"
    theirs.part(SIZE - 50, 3)[:] = b"end"
    again.meet(0, 10 * SIZE)
    assert bytes(again.part(CHUNK - 3, 6)) == b"across"
    assert bytes(again.part(SIZE - 50, 3)) == b"end"
    assert bytes(slab.view(CHUNK - 3, CHUNK + 3)) == b"across"
    arena.close()


def test_what_is_used_over_and_over_is_warm_up_to_a_limit() -> None:
    assert warm_bytes(0) == PREFETCH_BYTES
    assert warm_bytes(5 << 20) == PREFETCH_BYTES + (5 << 20)
    assert warm_bytes(1 << 40) == MAX_WARM_BYTES
