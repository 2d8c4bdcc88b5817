"""What a process holds is split into private memory, shared memory, mapped files of a dataset, and code."""

import mmap
import os
import sys
from pathlib import Path

import psutil
import pytest

from benchmarks.memory.usage import Usage
from sampler.memory.shared_memory import create_shared_memory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

SIZE = 48 << 20
SLACK = 12 << 20
"""What else may change in a process meanwhile."""


@pytest.fixture
def cache_dir(tmp_path: Path) -> Path:
    return tmp_path.resolve()


def test_memory_counts_where_it_belongs(cache_dir: Path) -> None:
    before = Usage.of_process(os.getpid(), cache_dir)

    # Not from the heap, which may have as much to give that the process holds already.
    own = mmap.mmap(-1, SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    _write_pages(own)
    private = Usage.of_process(os.getpid(), cache_dir)
    assert private.private - before.private == pytest.approx(SIZE, abs=SLACK)

    descriptor = create_shared_memory(SIZE)
    with mmap.mmap(descriptor, SIZE) as memory:
        _write_pages(memory)
        shared = Usage.of_process(os.getpid(), cache_dir)
    os.close(descriptor)
    assert shared.shared - before.shared == SIZE
    assert shared.private == pytest.approx(private.private, abs=SLACK)

    file = cache_dir / "store.bin"
    file.write_bytes(own)
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), SIZE, prot=mmap.PROT_READ) as pages:
        assert all(pages[place] for place in range(0, SIZE, mmap.PAGESIZE))
        mapped = Usage.of_process(os.getpid(), cache_dir)
    assert mapped.dataset - before.dataset == SIZE


def _write_pages(memory: mmap.mmap) -> None:
    for place in range(0, SIZE, mmap.PAGESIZE):
        memory[place] = 1


def test_the_parts_add_up_to_the_resident_set(cache_dir: Path) -> None:
    usage = Usage.of_process(os.getpid(), cache_dir)
    assert usage.resident == pytest.approx(psutil.Process().memory_info().rss, abs=SLACK)
    assert usage.code > 0


def test_a_written_page_of_a_private_mapping_of_a_file_is_private(cache_dir: Path) -> None:
    lines = [
        "7f00-7f10 rw-p 00001000 fe:00 1234       /usr/lib/libexample.so", "Rss: 40 kB", "Anonymous: 12 kB",
        f"7f20-7f30 r--s 00000000 fe:00 99         {cache_dir}/index/boxes.npy", "Rss: 8 kB", "Anonymous: 0 kB",
        "7f40-7f50 rw-p 00000000 00:00 0 ", "Rss: 4 kB", "Anonymous: 4 kB",
        "7f60-7f70 rw-s 00000000 00:01 7          /memfd:saccade-sampler (deleted)", "Rss: 16 kB", "Anonymous: 0 kB",
    ]  # fmt: skip
    assert Usage.of_mappings(lines, cache_dir) == Usage(
        private=16 << 10, shared=16 << 10, dataset=8 << 10, code=28 << 10
    )


def test_the_larger_of_each_number() -> None:
    assert Usage(1, 5, 2, 8).largest(Usage(3, 4, 2, 9)) == Usage(3, 5, 2, 9)
