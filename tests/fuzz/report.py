"""What `make fuzz` prints: a table, and each failure with the command that repeats it."""

import re
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.runs import Failure, Outcome, input_of

_HEAD = ("target", "inputs", "accepted", "refused", "failed", "slowest", "memory")


def table(outcomes: Sequence[Outcome]) -> str:
    """Return the outcomes as a table: the slowest input in milliseconds of CPU time, memory as growth in MB."""
    rows = [_HEAD, *(_row(outcome) for outcome in outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    return "\n".join("  ".join(_aligned(row, widths)).rstrip() for row in rows)


def kinds(outcomes: Sequence[Outcome]) -> str:
    """Return the exceptions by which inputs were refused, one line for each target."""
    lines = []
    for outcome in outcomes:
        refused = ", ".join(f"{count:,} {kind}" for kind, count in outcome.refused.most_common())
        lines.append(f"{outcome.target}: {refused or 'none'}")
    return "\n".join(lines)


def write_failures(failures: Sequence[Failure], seed: int, folder: Path) -> str:
    """Write each failing input into a file; return what failed and how to repeat it."""
    lines = []
    for failure in failures:
        lines += [f"{failure.target}: input {failure.number}: {failure.kind}", _indented(failure.text)]
        if failure.number >= 0:
            file = folder / f"{re.sub(r'[^a-z]+', '-', failure.target.lower())}-{seed}-{failure.number}.bin"
            folder.mkdir(parents=True, exist_ok=True)
            file.write_bytes(input_of(failure.target, seed, failure.number))
            command = f"python -m tests.fuzz --seed {seed} --target {failure.target!r} --only {failure.number}"
            lines.append(f"  input: {file}\n  again: {command}")
    return "\n".join(lines)


def _row(outcome: Outcome) -> tuple[str, ...]:
    return (
        outcome.target, f"{outcome.inputs:,}", f"{outcome.accepted:,}", f"{outcome.refused.total():,}",
        str(len(outcome.failures)), f"{1000 * outcome.slowest[0]:.0f} ms", f"{outcome.memory_mb:.0f} MB",
    )  # fmt: skip


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.strip().splitlines())
