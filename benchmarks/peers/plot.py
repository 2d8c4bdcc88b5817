"""The rates of all contenders as a chart."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch

from benchmarks.peers.results import LATER, ONE, ROUTE_TEXTS, STORE, Result

COLOURS = {ROUTE_TEXTS["plain"]: "#b9bec4", ROUTE_TEXTS["sampler"]: "#7f8a96"}
OWN_COLOURS = {LATER: "#2f7d6d", STORE: "#1d5a4e"}
OWN_FIRST = "#7fb8ab"
WIDTH, BAR_HEIGHT, MARGIN = 11.0, 0.34, 1.5
"""Inches."""


def draw(results: Sequence[Result], title: str, file: Path) -> None:
    """Write a PNG with a bar for each contender, from the lowest rate to the highest."""
    ordered = sorted(results, key=lambda one: one.rate)
    figure = Figure(
        figsize=(WIDTH, MARGIN + BAR_HEIGHT * len(ordered)), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
    )
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    rates = [one.rate for one in ordered]
    low = [one.rate - min(one.rates) for one in ordered]
    high = [max(one.rates) - one.rate for one in ordered]
    axes.barh([_label(one) for one in ordered], rates, color=[_colour(one) for one in ordered], height=0.66)
    axes.errorbar(rates, range(len(ordered)), xerr=[low, high], fmt="none", ecolor="#444444", elinewidth=1, capsize=2)
    for place, one in enumerate(ordered):
        axes.annotate(
            f"{one.rate:,.0f}", (max(one.rates), place), (5, 0), textcoords="offset points", va="center", size=9
        )
    axes.invert_yaxis()
    axes.margins(x=0.08)
    axes.set_xlabel("samples per second, dense batches of 48; thin lines: lowest and highest round")
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.legend(handles=_legend(), loc="upper right", frameon=False, fontsize=9)
    figure.suptitle(f"Loaders on two cores in all\n{title}", x=0.01, ha="left", size=11)
    figure.savefig(file, dpi=110, metadata={"Software": None})


def _label(one: Result) -> str:
    who = one.contender
    return f"{who.loader}, {who.source}" + ("" if who.trainers == ONE else f", trainers: {who.trainers}")


def _colour(one: Result) -> str:
    source = one.contender.source
    return OWN_COLOURS.get(source, OWN_FIRST) if one.contender.own else COLOURS[source]


def _legend() -> list[Patch]:
    texts = {
        "peer, plain route": COLOURS[ROUTE_TEXTS["plain"]],
        "peer, this sampler's functions": COLOURS[ROUTE_TEXTS["sampler"]],
        "saccade-sampler, JPEG, first epoch": OWN_FIRST,
        "saccade-sampler, JPEG, later epochs": OWN_COLOURS[LATER],
        "saccade-sampler, decoded store": OWN_COLOURS[STORE],
    }
    return [Patch(color=colour, label=text) for text, colour in texts.items()]
