"""Numbers in sentences, for people."""

from collections.abc import Iterable


def count(number: int, one: str, several: str | None = None) -> str:
    """Return a number with its noun: `1 object`, `1,024 objects`."""
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"


def span(first: int, last: int, noun: str = "") -> str:
    """Return a range with its noun: `step 9,500`, `steps 9,500–9,585`."""
    numbers = f"{first:,}" if first == last else f"{first:,}–{last:,}"
    return f"{noun if first == last else f'{noun}s'} {numbers}" if noun else numbers


def joined(parts: Iterable[str]) -> str:
    """Return the parts that are not empty, with commas."""
    return ", ".join(part for part in parts if part)


def percent(share: float) -> str:
    """Return a share, 0 … 1, in percent: `95 %`."""
    return f"{share:.0%}".replace("%", " %")


def rate(per_second: float) -> str:
    """Return how many per second, with a digit more if they are few."""
    return f"{per_second:,.0f}" if per_second >= 10 else f"{per_second:.1f}"
