"""What a process holds, from the list of its mappings that Linux gives."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

SHARED_MEMORY = "/memfd:saccade-sampler"
"""Name of the project's anonymous shared memory: the arena, a loader's slots, states of a store's blocks."""

_HEAD = re.compile(r"[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+ *(.*)")


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes of physical memory that a process has mapped.

    Attributes:
        private: Anonymous memory that no other process has.
        shared: The project's shared memory, with pages that other processes have as well.
        dataset: Mapped files of the cache folder: the dataset index, the decoded store.
        code: Other mapped files: programs and libraries, which processes share.
    """

    private: int = 0
    shared: int = 0
    dataset: int = 0
    code: int = 0

    @property
    def resident(self) -> int:
        """All of it: the resident set size."""
        return self.private + self.shared + self.dataset + self.code

    @classmethod
    def of_process(cls, pid: int, cache_dir: Path) -> Self:
        """Return what a process holds now. Raises OSError if it has ended, or on a system other than Linux."""
        return cls.of_mappings(Path(f"/proc/{pid}/smaps").read_text(errors="replace").splitlines(), cache_dir)

    @classmethod
    def of_mappings(cls, lines: Iterable[str], cache_dir: Path) -> Self:
        """Return the sums of the mappings that `/proc/PID/smaps` lists."""
        sums = dict.fromkeys((field.name for field in fields(cls)), 0)
        for name, resident, anonymous in _mappings(lines):
            if name.startswith(SHARED_MEMORY):
                sums["shared"] += resident
                continue
            sums["private"] += anonymous
            sums["dataset" if name.startswith(f"{cache_dir}/") else "code"] += resident - anonymous
        return cls(**sums)

    def largest(self, other: "Usage") -> "Usage":
        """Return the larger of each number."""
        return Usage(*(max(getattr(self, field.name), getattr(other, field.name)) for field in fields(self)))


def _mappings(lines: Iterable[str]) -> Iterator[tuple[str, int, int]]:
    """Yield name, resident bytes and anonymous bytes of each mapping."""
    name, resident = "", 0
    for line in lines:
        head = _HEAD.fullmatch(line)
        if head:
            name = head[1]
            continue
        field, _, value = line.partition(":")
        if field == "Rss":
            resident = _bytes(value)
        elif field == "Anonymous":
            yield name, resident, _bytes(value)


def _bytes(value: str) -> int:
    return int(value.split()[0]) << 10  # "12 kB"
