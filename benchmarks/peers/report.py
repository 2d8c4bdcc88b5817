"""What was measured, as tables and as JSON."""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from benchmarks.peers.results import DISTRIBUTIONS, PEERS, Result, rows_of
from benchmarks.table import markdown, rows_markdown

HEAD = ("loader", "samples from", "trainers", "samples/s", "CPU of a sample")


def lines(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """Return the texts of each contender, in the order of `HEAD`."""
    return [
        (
            one.contender.loader, one.contender.source, one.contender.trainers,
            f"{one.rate:,.0f} ({min(one.rates):,.0f}–{max(one.rates):,.0f})", f"{one.cpu:,.2f} ms",
        )
        for one in results
    ]  # fmt: skip


def document(results: Sequence[Result], left_out: dict[str, str], machine: str, source: str) -> dict[str, Any]:
    """Return everything for JSON."""
    return {
        "machine": machine, "on": source, "versions": versions(), "left_out": left_out,
        "contenders": [one.as_dict() for one in results], "rows": [row.as_dict() for row in rows_of(results)],
    }  # fmt: skip


def section(content: dict[str, Any]) -> str:
    """Return the tables of a `document` as Markdown."""
    results = [Result.of(fields) for fields in content["contenders"]]
    notes = [f"{name} {number}" for name, number in content["versions"].items()]
    text = f"With {', '.join(notes)}.\n"
    text += "".join(f"{name} is missing: {why}\n" for name, why in content["left_out"].items())
    text += "\n![Samples per second of each loader](peers.png)\n"
    return f"{text}\n{markdown(HEAD, lines(results))}\n{rows_markdown(rows_of(results))}"


def versions() -> dict[str, str]:
    """Return the versions of the peers that are installed."""
    found = {}
    for peer, distribution in DISTRIBUTIONS.items():
        try:
            found[PEERS[peer]] = version(distribution)
        except PackageNotFoundError:
            continue
    return found
