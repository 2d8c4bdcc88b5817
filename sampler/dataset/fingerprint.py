"""Fingerprints of local files: whether a file is unchanged, without reading it.

A fingerprint is size, modification time, change time and inode. No program can set the change time (ctime), so even a
file overwritten with as many bytes and its old modification time has another fingerprint. File system clocks tick,
though: a file written a moment ago may be written again within the same tick. Its fingerprint proves nothing yet; see
`is_settled`.
"""

import os
import time
from collections.abc import Collection

import msgspec

TICK = 20_000_000
"""Nanoseconds: kernels stamp files with a clock that ticks every 1 to 10 ms."""

COARSE_TICK = 2_000_000_000
"""Nanoseconds, for file systems that store whole seconds (some only even ones)."""


class Fingerprint(msgspec.Struct, frozen=True, array_like=True):
    """State of a file. Times are in ns since 1970."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Fingerprint":
        """Return the fingerprint of a file from its status."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)

    def is_settled(self, now: int) -> bool:
        """Return whether any change of the file from `now` on (ns since 1970) changes the fingerprint."""
        coarse = self.ctime_ns % 1_000_000_000 == 0
        return self.ctime_ns + (COARSE_TICK if coarse else TICK) <= now


def wait_until_settled(fingerprints: Collection[Fingerprint]) -> bool:
    """Wait one tick if necessary. Return whether all fingerprints are settled then."""
    if not all(one.is_settled(time.time_ns()) for one in fingerprints):
        time.sleep(2 * TICK / 1e9)
    now = time.time_ns()
    return all(one.is_settled(now) for one in fingerprints)
