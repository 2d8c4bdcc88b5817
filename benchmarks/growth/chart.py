"""A study as a chart: points that were measured, and the model as a dashed line."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from benchmarks.growth.study import Curve, Panel, Study

COLOURS = ("#2f7d6d", "#c4513a", "#4a5fa5")
WIDTH, HEIGHT = 4.6, 3.6
"""Inches of one panel."""
HEADROOM = 1.15
"""The highest value of a linear axis, compared with the highest that is drawn."""


def draw(study: Study, title: str, file: Path) -> None:
    """Write a PNG with a pair of axes for each panel."""
    figure = Figure(figsize=(WIDTH * len(study.panels), HEIGHT), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
    FigureCanvasAgg(figure)
    for place, panel in enumerate(study.panels, 1):
        _draw_panel(figure.add_subplot(1, len(study.panels), place), study, panel)
    figure.suptitle(f"{study.title}: measured (points) and predicted (dashed)\n{title}", x=0.01, ha="left", size=10)
    figure.savefig(file, dpi=110, metadata={"Software": None})


def _draw_panel(axes: Axes, study: Study, panel: Panel) -> None:
    axes.set_xscale("log", base=_base(study.loads))
    axes.set_xticks(study.loads, [_short(load) for load in study.loads])
    axes.xaxis.set_minor_locator(NullLocator())
    for curve, colour in zip(panel.curves, COLOURS, strict=False):
        _draw_curve(axes, study.loads, curve, colour)
    if panel.logarithmic:
        axes.set_yscale("log")
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(0, HEADROOM * max(max(*curve.values, *curve.model) for curve in panel.curves))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.set_xlabel(study.load)
    axes.set_ylabel(panel.unit)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if len(panel.curves) > 1:
        axes.legend(frameon=False, fontsize=9)


def _draw_curve(axes: Axes, loads: tuple[int, ...], curve: Curve, colour: str) -> None:
    axes.plot(loads, curve.values, "o-", color=colour, linewidth=1.4, markersize=5, label=curve.name)
    if curve.model:
        axes.plot(loads, curve.model, "--", color=colour, linewidth=1.1, alpha=0.8)


def _base(loads: tuple[int, ...]) -> int:
    return 10 if loads[1] == 10 * loads[0] else 2


def _short(load: int) -> str:
    """Return 1, 64, 1k, 10M."""
    for unit, name in ((1_000_000, "M"), (1_000, "k")):
        if load % unit == 0:
            return f"{load // unit}{name}"
    return f"{load:,}"
