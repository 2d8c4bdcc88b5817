"""Changes of a file that its size or times hardly show."""

import os
import time
from pathlib import Path

from sampler.dataset.fingerprint import TICK


def wait_for_the_clock() -> None:
    """Wait for a tick of the file system's clock, so that the next change gets another time."""
    time.sleep(2 * TICK / 1e9)


def same_bytes(file: Path) -> None:
    """Write the same content again."""
    file.write_bytes(file.read_bytes())


def same_size_and_time(file: Path) -> None:
    before = file.stat()
    file.write_text(file.read_text().replace("zebra", "horse"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def replaced(file: Path) -> None:
    """Replace the file by another one of the same size and time."""
    other = file.with_suffix(".other")
    other.write_text(file.read_text().replace("zebra", "horse"))
    os.utime(other, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    other.replace(file)


def longer(file: Path) -> None:
    file.write_text(file.read_text().replace("zebra", "wild horse"))


def touched(file: Path) -> None:
    os.utime(file)


def flip_a_byte(file: Path) -> None:
    before, data = file.stat(), bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
