"""What `make soak` prints and draws."""

import math
from collections.abc import Mapping
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from tests.soak.holdings import BOUNDS, FILES, MOST, QUANTITIES
from tests.soak.run import Record, series
from tests.soak.trend import LEAST_SAMPLES, Trend, trend_of

Trends = dict[tuple[str, str], Trend]
"""By part and quantity."""

_HEAD = ("part", "quantity", "at start", "at end", "growth", "allowed", "highest", "")


def trends_of(record: Record, warm_up: float) -> Trends:
    """Return the trend of each quantity of each part after the warm-up, of parts seen at least half of that time."""
    least = max(LEAST_SAMPLES, sum(sample.seconds >= warm_up for sample in record.samples) // 2)
    return {
        (name, quantity): trend_of(seconds, values, BOUNDS[quantity])
        for (name, quantity), (seconds, values) in series(record, warm_up).items()
        if len(seconds) >= least
    }


def table(trends: Trends) -> str:
    """Return the trends as a table."""
    rows: list[tuple[str, ...]] = [_HEAD]
    for (name, quantity), trend in trends.items():
        numbers = (trend.first, trend.last, trend.growth, trend.bound, trend.highest)
        rows.append((name, quantity, *(f"{number:.1f}" for number in numbers), "GROWS" if trend.grows else ""))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    return "\n".join(_line(row, widths) for row in rows)


def counts(record: Record) -> str:
    """Return how often each activity ran, one line for each process."""
    lines = []
    for name, numbers in record.counts.items():
        listed = ", ".join(f"{count:,} {what.replace('_', ' ')}" for what, count in numbers.items())
        lines.append(f"{name}: {listed}")
    return "\n".join(lines)


def draw(record: Record, warm_up: float, file: Path) -> None:
    """Write a PNG with one chart for each quantity."""
    panels = (*QUANTITIES, FILES)
    figure = Figure(figsize=(10, 2.6 * len(panels)), layout=ConstrainedLayoutEngine())
    FigureCanvasAgg(figure)
    for place, quantity in enumerate(panels, 1):
        axes = figure.add_subplot(len(panels), 1, place)
        for (name, other), (seconds, values) in series(record, 0).items():
            if other == quantity:
                axes.plot([second / 60 for second in seconds], values, linewidth=1.2, label=name)
        axes.axvline(warm_up / 60, color="grey", linestyle=":", linewidth=1)
        axes.set_ylim(bottom=0)
        axes.set_ylabel(quantity)
        axes.set_xlabel("minutes")
        axes.grid(alpha=0.25)
        axes.legend(frameon=False, fontsize=8, ncols=3)
    figure.savefig(file, dpi=100, metadata={"Software": None})


def faults(record: Record, trends: Mapping[tuple[str, str], Trend]) -> list[str]:
    """Return what makes a run fail."""
    grown = [
        f"{name}: {quantity} grew by {trend.growth:.1f}, {trend.bound:g} are allowed"
        for (name, quantity), trend in trends.items()
        if trend.grows
    ]
    grown += [
        f"{name}: up to {trend.highest:g} of {quantity}, {MOST[quantity]:g} are allowed"
        for (name, quantity), trend in trends.items()
        if trend.highest > MOST.get(quantity, math.inf)
    ]
    missing = [] if trends else ["there are too few samples; run longer"]
    return record.faults + missing + grown


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    cells = [
        cell.ljust(width) if place < 2 else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()
