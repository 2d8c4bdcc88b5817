"""The results as a chart: queues by load, what hedging saves, and a rack that fails."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import NullLocator

from benchmarks.fleet.studies import FAILS_AT, WORKS_AT, Result

GREEN, RED, BLUE, GREY = "#2f7d6d", "#c4513a", "#4a5fa5", "#888888"
WIDTH, HEIGHT = 13.0, 3.9
"""Inches."""


def draw(results: Sequence[Result], file: Path) -> None:
    """Write a PNG with a panel for each study."""
    figure = Figure(figsize=(WIDTH, HEIGHT), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1))
    FigureCanvasAgg(figure)
    panels = {"load": _load, "stutter": _stutter, "rack": _rack}
    for place, (study, panel) in enumerate(panels.items(), 1):
        axes = figure.add_subplot(1, len(panels), place)
        found = [result for result in results if result.study == study]
        if found:
            panel(axes, found)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    first = results[0]
    figure.suptitle(
        f"Simulated with measured service times: {first.trainers} trainers and {first.servers} servers", x=0.01,
        ha="left", size=10,
    )  # fmt: skip
    figure.savefig(file, dpi=110, metadata={"Software": None})


def _load(axes: Axes, results: Sequence[Result]) -> None:
    loads = [result.load for result in results]
    curves = {
        "request, 99th percentile": ([result.latency_p99 for result in results], RED),
        "request, median": ([result.latency for result in results], BLUE),
    }
    for name, (values, colour) in curves.items():
        axes.plot(loads, values, "o-", color=colour, linewidth=1.4, markersize=4, label=name)
    axes.set_yscale("log")
    axes.set_yticks([20, 50, 100, 200, 500], ["20", "50", "100", "200", "500"])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("samples asked for ÷ samples that servers can make")
    axes.set_ylabel("ms until a response is complete")
    waits = axes.twinx()
    waits.plot(loads, [100 * result.waiting for result in results], "s--", color=GREEN, linewidth=1.2, markersize=4,
               label="time that trainers wait")  # fmt: skip
    waits.set_ylim(0, 100 * max(0.2, *(1.2 * result.waiting for result in results)))
    waits.set_ylabel("% of a trainer's time")
    waits.spines[["top"]].set_visible(False)
    handles = [*axes.get_lines(), *waits.get_lines()]
    axes.legend(handles, [str(line.get_label()) for line in handles], frameon=False, fontsize=8, loc="upper left")
    axes.set_title("All is well", size=10, loc="left")


def _stutter(axes: Axes, results: Sequence[Result]) -> None:
    for hedging, colour, shift in ((False, RED, -0.03), (True, GREEN, 0.03)):
        chosen = [result for result in results if result.hedging == hedging]
        name = "with hedges" if hedging else "without hedges"
        places, heights = [one.load + shift for one in chosen], [100 * one.waiting for one in chosen]
        bars = axes.bar(places, heights, 0.055, color=colour, label=name)
        axes.bar_label(bars, [f"{height:.1f}" for height in heights], fontsize=8)
    axes.set_xticks(sorted({round(result.load, 2) for result in results}))
    axes.set_xlabel("samples asked for ÷ samples that servers can make")
    axes.set_ylabel("% of a trainer's time that it waits")
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    axes.set_title(f"Stutter: {results[0].name}", size=10, loc="left")


def _rack(axes: Axes, results: Sequence[Result]) -> None:
    axes.axvspan(FAILS_AT, WORKS_AT, color=GREY, alpha=0.15, linewidth=0)
    styles = {("hangs", True): (GREEN, "-"), ("hangs", False): (RED, "-"), ("refuses", True): (BLUE, "--")}
    for result in results:
        failure = "hangs" if "hangs" in result.name else "refuses"
        style = styles.get((failure, result.hedging))
        if style is None:  # as with hedges: a refused request goes to the next server at once
            continue
        hedges = "" if failure == "refuses" else ", with hedges" if result.hedging else ", without hedges"
        axes.plot(range(len(result.timeline)), [100 * one for one in result.timeline], style[1], color=style[0],
                  linewidth=1.4, label=f"{failure}{hedges}")  # fmt: skip
    axes.set_ylim(0, 150)
    axes.set_yticks(range(0, 101, 20))
    axes.set_xlim(1, len(results[0].timeline) - 2)
    axes.set_xlabel("seconds (grey: a tenth of the servers fails)")
    axes.set_ylabel("steps, % of those without waiting")
    axes.legend(frameon=False, fontsize=8, loc="upper right")
    axes.set_title(f"A failing rack, at a load of {results[0].load:.1f}", size=10, loc="left")
