"""Collecting findings: all are counted, the first of each kind are kept."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sampler.dataset.verification.kinds import KINDS
from sampler.printable import printable


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: its kind (a key of KINDS), the image file or annotation, and what is wrong. Each is one line."""

    kind: str
    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a verification.

    Attributes:
        images: Number of images.
        boxes: Number of boxes, those that were dropped included.
        counts: Number of findings of each kind.
        examples: The first findings of each kind.
        unusable: Indices of the images that cannot be used, ascending.
    """

    images: int
    boxes: int
    counts: dict[str, int]
    examples: dict[str, tuple[Finding, ...]]
    unusable: tuple[int, ...] = ()

    @property
    def faults(self) -> int:
        """Number of faults."""
        return sum(count for kind, count in self.counts.items() if KINDS[kind].is_fault)

    @property
    def notes(self) -> int:
        """Number of findings that are not faults."""
        return sum(self.counts.values()) - self.faults

    @property
    def clean(self) -> bool:
        """Whether there are no faults."""
        return not self.faults


@dataclass(slots=True)
class Tally:
    """Counts findings and keeps the first `examples` of each kind."""

    examples: int
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    kept: dict[str, list[Finding]] = field(default_factory=lambda: {kind: [] for kind in KINDS})

    def add(self, kind: str, where: str, what: str) -> None:
        """Add one finding."""
        self.count(kind, [(where, what)], 1)

    def count(self, kind: str, first: Iterable[tuple[str, str]], count: int) -> None:
        """Add `count` findings, of which the first ones are given: where, and what is wrong."""
        self.counts[kind] += count
        kept = self.kept[kind]
        for where, what in first:
            if len(kept) >= self.examples:
                break
            kept.append(Finding(kind, printable(where), printable(what)))

    def add_rows(self, kind: str, rows: list[int], describe: Callable[[int], tuple[str, str]]) -> None:
        """Add a finding for each row. Only those that are kept are described."""
        self.count(kind, map(describe, rows), len(rows))

    def first(self) -> dict[str, tuple[Finding, ...]]:
        """Return the findings that were kept."""
        return {kind: tuple(findings) for kind, findings in self.kept.items()}
