"""How a file is known to be unchanged without reading it: size, time of its content, time of its last change, inode.

Of these the time of the last change (ctime) cannot be set by a program, so a file written over with as many bytes and
its old time stamp still shows. Clocks of file systems tick, though: what was written a moment ago may be written again
within the same tick. Such a file has no stamp that can be relied upon yet; `settled` says so.
"""

import os
import time
from collections.abc import Collection

import msgspec

TICK = 20_000_000
"""Nanoseconds: kernels stamp files with a clock that ticks every 1 to 10 ms."""

COARSE_TICK = 2_000_000_000
"""Nanoseconds, where a file system keeps whole seconds (some keep even ones only)."""


class Stamp(msgspec.Struct, frozen=True, array_like=True):
    """What the file system says of a file's content, times in nanoseconds since 1970."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


def stamp(found: os.stat_result) -> Stamp:
    """The stamp in what `stat` found."""
    return Stamp(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def settled(one: Stamp, now: int) -> bool:
    """Whether whatever changes the file from `now` on, nanoseconds since 1970, changes its stamp."""
    coarse = one.ctime_ns % 1_000_000_000 == 0
    return one.ctime_ns + (COARSE_TICK if coarse else TICK) <= now


def wait_until_settled(stamps: Collection[Stamp]) -> bool:
    """Wait for the next tick if need be; whether all are settled then."""
    if not all(settled(one, time.time_ns()) for one in stamps):
        time.sleep(2 * TICK / 1e9)
    now = time.time_ns()
    return all(settled(one, now) for one in stamps)
