"""The limit of descriptors, and the reserve for workers."""

import asyncio
import os
from pathlib import Path

import pytest

from service.descriptors import DescriptorReserve, reserve_for_workers
from tests.support.processes import output_of

ALL_TAKEN = """
import os, resource
from service.descriptors import DescriptorReserve
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
reserve = DescriptorReserve(6)
taken = []
try:
    while True:
        taken.append(os.open(os.devnull, os.O_RDONLY))
except OSError as error:
    print(error.errno)
with reserve.lent():
    inside = [os.open(os.devnull, os.O_RDONLY) for _ in range(6)]
    os.close(inside.pop())
reserve.fill()
try:
    os.open(os.devnull, os.O_RDONLY)
except OSError as error:
    print(error.errno)
"""

RAISED = """
import resource
from service.descriptors import WANTED, raise_limit
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (128, 512))
print(raise_limit(), resource.getrlimit(resource.RLIMIT_NOFILE), raise_limit())
"""


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_descriptors_are_lent_while_everything_else_is_taken() -> None:
    assert output_of(ALL_TAKEN).split() == ["24", "24"]


def test_the_limit_is_raised_to_what_the_system_allows() -> None:
    assert output_of(RAISED) == "512 (512, 512) 512"


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the system does not list open files")
def test_a_reserve_is_released_at_the_end() -> None:
    before = open_files()

    async def scene() -> int:
        async with reserve_for_workers(3):
            return open_files()

    assert asyncio.run(scene()) >= before + 8 + 2 * 3
    assert open_files() == before


def test_what_was_lent_is_taken_back_after_the_last_borrower() -> None:
    reserve = DescriptorReserve(2)
    try:
        with reserve.lent():
            with reserve.lent():
                pass
            probe = os.open(os.devnull, os.O_RDONLY)
            os.close(probe)
            assert reserve.held == 0
        assert reserve.held == 2
    finally:
        reserve.close()
    assert reserve.held == 0
