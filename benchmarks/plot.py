"""The table as a chart: the share of its bound that each row takes up."""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from benchmarks.row import Row

MET, MISSED, BOUND = "#2f7d6d", "#c4513a", "#444444"
WIDTH, ROW_HEIGHT, MARGIN = 11.0, 0.42, 1.3
"""Inches."""
WIDEST = 2.0
"""Bars end here; longer ones show their number."""
ROOM_FOR_TEXT = 0.4
"""Bars at least this long hold their number."""


def draw(rows: list[Row], title: str, file: Path) -> None:
    """Write a PNG with a bar for each row. Up to 1, the row is within its bound, in either direction."""
    figure = Figure(
        figsize=(WIDTH, MARGIN + ROW_HEIGHT * len(rows)), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
    )
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    names = [row.name for row in rows]
    uses = [min(row.use, WIDEST) for row in rows]
    axes.barh(names, uses, color=[MET if row.met else MISSED for row in rows], height=0.62)
    for place, row in enumerate(rows):
        text = f"{row.ratio_text}  ({'≤' if row.at_most else '≥'} {row.bound:,g})"
        inside = row.use >= ROOM_FOR_TEXT
        axes.text(
            0.02 if inside else row.use + 0.02, place, text, va="center", size=9, color=("black", "white")[inside]
        )
    axes.axvline(1.0, color=BOUND, linewidth=1.2, linestyle="--")
    axes.annotate("bound", (1.0, 1.0), (4, -2), xycoords=("data", "axes fraction"), textcoords="offset points",
                  va="top", size=9, color=BOUND)  # fmt: skip
    axes.set_xlim(0, WIDEST + 0.02)
    axes.invert_yaxis()
    axes.set_xlabel("share of the bound that a row takes up; left of the dashed line it is met")
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    figure.suptitle(f"Measured ratios, with their bounds in brackets\n{title}", x=0.01, ha="left", size=11)
    figure.savefig(file, dpi=110, metadata={"Software": None})
