"""The results as tables."""

from collections.abc import Sequence

from benchmarks.fleet.real import Comparison
from benchmarks.fleet.studies import Result
from benchmarks.table import markdown, number

HEAD = (
    "what happens", "servers", "trainers", "load", "hedges", "time that trainers wait", "longest wait",
    "busiest server", "requests hedged",
)  # fmt: skip
CHECK_HEAD = ("servers", "trainers", "load", "median of a request", "simulated", "90th percentile", "simulated")


def lines(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """Return the lines of the table of results."""
    return [
        (
            result.name, f"{result.servers}", f"{result.trainers:,}", f"{result.load:.1f}",
            "yes" if result.hedging else "no", f"{100 * result.waiting:.1f} %", _seconds(result.longest),
            f"{result.imbalance:.2f} × mean", f"{100 * result.hedges:.1f} %",
        )
        for result in results
    ]  # fmt: skip


def check_cells(one: Comparison) -> tuple[str, ...]:
    """Return the line of a comparison."""
    times = (one.median, one.simulated_median, one.p90, one.simulated_p90)
    return f"{one.servers}", f"{one.trainers}", f"{one.load}", *(f"{number(value)} ms" for value in times)


def section(results: Sequence[Result], checks: Sequence[Comparison]) -> str:
    """Return what the page shows."""
    shown = [result for result in results if result.study != "load" or result.load > 0.65]
    return (
        f"{markdown(HEAD, lines(shown))}\n"
        "Small cases, with real servers and clients of one host. Trainers request each step when they need it:\n\n"
        f"{markdown(CHECK_HEAD, [check_cells(one) for one in checks])}"
    )


def _seconds(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.1f} s" if milliseconds >= 100 else f"{milliseconds:.0f} ms"
