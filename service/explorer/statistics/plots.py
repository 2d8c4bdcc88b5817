"""Plots as shapes and texts in the coordinates of an SVG image; `plot.html` writes them down.

Colours are classes of the style sheet, so that a plot is readable in light and dark.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 400, 220
LEFT, RIGHT, TOP, BOTTOM = 40, 392, 8, 190
"""The edges of the area of the bars."""

LEAST_TOP = 0.01
"""Lowest upper end of the y axis, so that its labels differ even if there are no values."""

MOST_LABELS = 7
"""Labels of the x axis that fit next to each other."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, and what it says if the pointer rests on it.

    Attributes:
        x: Left edge; `y` is its upper edge.
        y: See `x`.
        width: In units of the image; so is `height`.
        height: See `width`.
        text: Bin and value.
        link: Where it leads, or "".
    """

    x: float
    y: float
    width: float
    height: float
    text: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class Label:
    """A text at an axis; x or y is the place at its own axis."""

    place: float
    text: str


@dataclass(frozen=True, slots=True)
class Plot:
    """Bars of one series and a line of another one over the same bins.

    Attributes:
        name: Identifies the plot in its page.
        title: What it shows.
        description: The same in one sentence, for people who do not see it.
        bars: The first series.
        line: The second series as an SVG path.
        places: Bins as labels below the plot.
        values: Shares as labels on its left, each with a grid line.
    """

    name: str
    title: str
    description: str
    bars: tuple[Bar, ...]
    line: str
    places: tuple[Label, ...]
    values: tuple[Label, ...]


def plot(
    name: str,
    title: str,
    description: str,
    labels: Sequence[str],
    first: Sequence[float],
    second: Sequence[float],
    series: tuple[str, str],
    marks: Sequence[str] = (),
    links: Sequence[str] = (),
) -> Plot:
    """Return a plot of two series.

    Args:
        name: Identifies the plot in its page.
        title: What it shows.
        description: The same in one sentence.
        labels: (B,) names of the bins.
        first: (B,) values of the bars, such as shares, at least 0.
        second: (B,) values of the line.
        series: Names of both.
        marks: (B + 1,) texts at the bins' bounds, "" for none, or (B,) texts in their middle.
        links: (B,) where bars lead, "" for nowhere.
    """
    steps = _steps(max(*first, *second, LEAST_TOP))
    top, width = steps[-1], (RIGHT - LEFT) / len(labels)
    heights, texts = [_height(value, top) for value in first], _texts(labels, first, second, series)
    return Plot(
        name=name,
        title=title,
        description=description,
        bars=tuple(_bars(heights, width, texts, links or [""] * len(labels))),
        line=_stairs([BOTTOM - _height(value, top) for value in second], width),
        places=_places(marks, 0 if len(marks) > len(labels) else width / 2, width),
        values=tuple(Label(BOTTOM - _height(step, top), f"{step:.{_decimals(top)}%}") for step in steps),
    )


def _height(value: float, top: float) -> float:
    """Return the height of a value in the units of the plot. top: the value at its upper edge."""
    return round(value / top * (BOTTOM - TOP), 2)


def _texts(
    labels: Sequence[str], first: Sequence[float], second: Sequence[float], series: tuple[str, str]
) -> list[str]:
    rows = zip(labels, first, second, strict=True)
    return [f"{label}: {series[0]} {one:.1%}, {series[1]} {other:.1%}" for label, one, other in rows]


def _bars(heights: Sequence[float], width: float, texts: Sequence[str], links: Sequence[str]) -> Iterator[Bar]:
    for place, (height, text, link) in enumerate(zip(heights, texts, links, strict=True)):
        x, inner = round(LEFT + place * width + 0.5, 2), round(max(width - 1, 0.5), 2)
        yield Bar(x, BOTTOM - height, inner, height, text, link)


def _stairs(heights: Sequence[float], width: float) -> str:
    path = f"M{LEFT} {BOTTOM}"
    for place, y in enumerate(heights):
        path += f"V{y:.2f}H{LEFT + (place + 1) * width:.2f}"
    return path + f"V{BOTTOM}"


def _places(marks: Sequence[str], start: float, width: float) -> tuple[Label, ...]:
    """Return as many of the marks as fit. start: distance of the first one from the left edge."""
    shown = [(place, text) for place, text in enumerate(marks) if text]
    least = max(1, math.ceil(len(shown) / MOST_LABELS))
    # Preferably so that the last one is shown, too.
    every = next((step for step in range(least, 2 * least) if (len(shown) - 1) % step == 0), least)
    return tuple(Label(round(LEFT + start + place * width, 2), text) for place, text in shown[::every])


def _steps(highest: float) -> list[float]:
    """Return 2 to 5 values from 0 to at least the highest, in steps of 1, 2 or 5 times a power of ten."""
    rough = highest / 4
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return [step * number for number in range(math.ceil(highest / step - 1e-9) + 1)]


def _decimals(top: float) -> int:
    return 0 if top >= 0.04 else 1
