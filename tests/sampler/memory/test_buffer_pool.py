"""Borrowed memory is reused once its last view is gone, and not before."""

import gc

import numpy as np
import pytest

from sampler.memory.buffer_pool import BufferPool, borrow


def test_memory_is_released_with_its_last_view_whatever_kind_of_view() -> None:
    released = []
    array = borrow(memoryview(bytearray(64)), lambda: released.append(True))
    views: list[object] = [array[3:5], array.view(np.float32).reshape(4, 4), array.data[7:]]
    del array
    while views:
        assert released == []
        views.pop()
    assert released == [True]


def test_a_released_buffer_is_reused_and_one_in_use_is_not() -> None:
    pool = BufferPool()
    first, second = pool.borrow(2 << 20), pool.borrow(2 << 20)
    address = first.ctypes.data
    assert second.ctypes.data != address
    part = first[5:6]
    del first
    assert pool.borrow(2 << 20).ctypes.data != address
    del part
    addresses = {buffer.ctypes.data for buffer in [pool.borrow(2 << 20) for _ in range(2)]}
    assert address in addresses


@pytest.mark.parametrize(
    ("size", "reused"), [(2 << 20, True), (1 << 20, True), ((1 << 20) - 1, False), (3 << 20, False)]
)
def test_a_buffer_is_reused_if_it_is_large_enough_and_at_most_twice_as_large(size: int, reused: bool) -> None:
    pool = BufferPool()
    address = pool.borrow(2 << 20).ctypes.data
    buffer = pool.borrow(size)
    assert len(buffer) >= size
    assert (buffer.ctypes.data == address and len(buffer) == 2 << 20) == reused


def test_the_number_of_unused_buffers_is_limited() -> None:
    pool = BufferPool(max_idle=2)
    buffers = [pool.borrow(2 << 20) for _ in range(6)]
    addresses = [buffer.ctypes.data for buffer in buffers]
    while buffers:
        buffers.pop(0)
    gc.collect()
    assert {buffer.ctypes.data for buffer in [pool.borrow(2 << 20), pool.borrow(2 << 20)]} == set(addresses[-2:])


def test_fresh_memory_can_be_limited_and_is_then_not_kept() -> None:
    pool = BufferPool()
    assert len(pool.borrow(100 << 20, fresh_limit=1 << 20)) == 1 << 20
    assert len(pool.borrow(0)) == 1  # any unused buffer up to MIN_REUSED would do
    assert len(pool.borrow(2 << 20, fresh_limit=3 << 20)) == 2 << 20
    assert len(pool.borrow(1 << 20, fresh_limit=1)) == 2 << 20
