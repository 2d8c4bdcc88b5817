"""Findings of the checks."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "problem", "skipped"]

GIGABYTE = 1e9
MEGABYTE = 1e6


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        check: What was checked.
        status: A problem keeps a server or a training from running; a warning may do so later, or makes it slower.
        found: What was found, in one sentence.
        remedy: What to do; empty if nothing is.
    """

    check: str
    status: Status
    found: str
    remedy: str = ""


def ok(check: str, found: str) -> Finding:
    """Return a finding that needs no action."""
    return Finding(check, "ok", found)


def warning(check: str, found: str, remedy: str) -> Finding:
    """Return a finding that may become a problem."""
    return Finding(check, "warning", found, remedy)


def problem(check: str, found: str, remedy: str) -> Finding:
    """Return a finding that keeps something from running."""
    return Finding(check, "problem", found, remedy)


def skipped(check: str, reason: str) -> Finding:
    """Return the finding of a check that cannot be made here."""
    return Finding(check, "skipped", reason)


def size(count: float) -> str:
    """Return a number of bytes for people."""
    if count >= GIGABYTE:
        return f"{count / GIGABYTE:.1f} GB"
    return f"{count / MEGABYTE:.0f} MB"
