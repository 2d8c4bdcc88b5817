"""What processes hold now: memory, descriptors, threads, shared memory; and how many files folders have."""

import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

from benchmarks.memory.usage import SHARED_MEMORY, Usage

Values = dict[str, float]
"""A value for each of `QUANTITIES` or for `FILES`."""

MEMORY, DESCRIPTORS, THREADS, SEGMENTS, FILES = "memory (MB)", "descriptors", "threads", "shared memory", "files"
QUANTITIES = (MEMORY, DESCRIPTORS, THREADS, SEGMENTS)

BOUNDS = {MEMORY: 8.0, DESCRIPTORS: 4.0, THREADS: 2.0, SEGMENTS: 1.0, FILES: 4.0}
"""Growth that is allowed over a whole run. Caches are full and pools are warm before the first sample that counts."""

MOST = {SEGMENTS: 4.0}
"""What a part may hold at most at any time. A trainer has one loader at a time, and needs the memory of one or two."""

_SEGMENT = re.compile(rf"^\S+ \S+ \S+ \S+ (\d+) +{re.escape(SHARED_MEMORY)}", re.MULTILINE)


def holdings_of(process: psutil.Process, cache_dir: Path) -> Values | None:
    """Return what a process holds; None if it has exited.

    Memory is what no other process has. Shared memory is the number of segments that are mapped.
    """
    try:
        mapped = Path(f"/proc/{process.pid}/maps").read_text(errors="replace")
        return {
            MEMORY: Usage.of_process(process.pid, cache_dir).private / 1e6,
            DESCRIPTORS: process.num_fds(),
            THREADS: process.num_threads(),
            SEGMENTS: len(set(_SEGMENT.findall(mapped))),
        }
    except (OSError, psutil.Error):
        return None


def count_files(folders: Iterable[Path]) -> int:
    """Return how many files there are in folders and below them."""
    count = 0
    for folder in folders:
        with suppress(FileNotFoundError):  # removed meanwhile
            count += sum(1 for path in folder.rglob("*") if not path.is_dir())
    return count
