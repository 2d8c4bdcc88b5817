"""Freed memory goes back to the system."""

import sys

import pytest

from sampler.memory.freed_memory import release_freed_memory
from tests.support.processes import output_of

FREED = 24 << 20
"""Bytes of one block: glibc, once it has freed a block of this size, keeps the next ones."""

CODE = f"""
import numpy as np
from sampler.memory.freed_memory import release_freed_memory

def held():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

before = held()
for _ in range(3):
    np.ones({FREED}, np.uint8)
kept = held() - before
release_freed_memory()
print(kept, held() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the memory of a process from /proc")
def test_memory_that_the_allocator_keeps_is_released() -> None:
    kept, left = map(int, output_of(CODE).split())
    if kept < FREED // 2:
        pytest.skip("this C library does not keep freed memory")
    assert left < FREED // 8


def test_without_malloc_trim_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    release_freed_memory()
