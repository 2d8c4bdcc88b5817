"""The page: plots, tables and links of statistics."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from fastapi import Request
from fastapi.responses import HTMLResponse

from sampler.survey.decisions import Decision
from sampler.survey.histograms import shown
from sampler.survey.statistics import CategoryCount, Comparison, Outcomes, Statistics
from service.access.paths import root_of
from service.explorer.shell.categories import category_choices
from service.explorer.shell.templates import page
from service.explorer.statistics.links import LinksToSteps
from service.explorer.statistics.parameters import MOST_SAMPLES, StatisticsParameters
from service.explorer.statistics.plots import Plot, plot
from service.lifespan.state import ServedDataset

FEW_CATEGORIES = 20
"""Categories that are shown at once; the others are in a part that can be opened."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table: its name, where that leads ("" for nowhere), and the cells."""

    name: str
    link: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot with the same numbers as a table.

    Attributes:
        plot: The plot.
        note: A sentence below its title.
        head: Names of the table's columns.
        rows: Its rows.
    """

    plot: Plot
    note: str
    head: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """A part of all boxes: what became of them, as a chip and a part of a bar.

    Attributes:
        name: What became of them.
        state: Class of its colour.
        count: How many.
        share: Of all boxes, or of all samples.
        samples: Samples with any.
        link: To these samples, or "".
        x: Where its part of the bar begins, 0 … 100; `width` is that of the part. No part if it is 0.
        width: See `x`.
    """

    name: str
    state: str
    count: str
    share: str
    samples: str = ""
    link: str = ""
    x: float = 0.0
    width: float = 0.0


@dataclass(frozen=True, slots=True)
class CategoryRow:
    """A category with what became of its boxes. Widths are parts of a bar of 100."""

    name: str
    link: str
    boxes: str
    objects: str
    ignored: str
    widths: tuple[float, float, float]


def statistics_page(
    request: Request, dataset: ServedDataset, parameters: StatisticsParameters, found: Statistics
) -> HTMLResponse:
    """Return the page."""
    spec = dataset.spec
    links = LinksToSteps(root_of(request.scope), spec.dataset_name, spec.size, parameters)
    return page(
        request,
        "statistics/page.html",
        title=f"Statistics of {dataset.title}",
        styles=("statistics/page.css",),
        dataset=dataset,
        spec=spec,
        parameters=parameters,
        most_samples=MOST_SAMPLES,
        outcomes=found.outcomes,
        empty_share=f"{found.outcomes.samples_empty / found.outcomes.samples:.1%}",
        empty_link=links.to(empty=True),
        shares=_shares(found.outcomes, links),
        marks=_marks(found.outcomes, links),
        figures=before_and_after(found, links),
        categories=_categories(found, links, [value for value, _ in category_choices(spec)]),
        few=FEW_CATEGORIES,
        decisions=[(decision, _decision(number, decision)) for number, decision in enumerate(found.decisions)],
        misfits=sum(not decision.fit.fits for decision in found.decisions),
    )


def before_and_after(found: Statistics, links: LinksToSteps) -> list[Figure]:
    """Return the figures that compare boxes of the images with objects in the crops."""
    return [_sizes(found.sizes, links), *(_figure(one, links) for one in found.quantities)]


def _shares(outcomes: Outcomes, links: LinksToSteps) -> list[Share]:
    """Return what became of every box; the parts of the bar fill it."""
    parts = [
        ("objects", "object", outcomes.objects, outcomes.samples - outcomes.samples_empty, links.to(state="object")),
        ("ignored", "ignored", outcomes.ignored, outcomes.samples_ignored, links.to(state="ignored")),
        ("outside the crop", "outside", outcomes.outside, outcomes.samples_outside, links.to(state="outside")),
    ]
    shares, x = [], 0.0
    for name, state, count, samples, link in parts:
        width = 100 * count / max(1, outcomes.boxes)
        target = link if samples else ""
        shares.append(Share(name, state, f"{count:,}", f"{width / 100:.1%}", f"{samples:,}", target, x, width))
        x += width
        if state == "ignored":
            shares += [
                Share(f"… {reason}", "ignored", f"{some:,}", f"{some / max(1, outcomes.boxes):.1%}")
                for reason, some in outcomes.ignored_because
            ]
    return shares


def _marks(outcomes: Outcomes, links: LinksToSteps) -> list[Share]:
    """Return what else is true of some boxes."""
    boxes = max(1, outcomes.boxes)
    marks = [
        ("cut off by the crop", "cut-off", outcomes.cut_off, outcomes.samples_cut_off, links.to(cut_off=True)),
        ("objects without tags", "untagged", outcomes.untagged, outcomes.samples_untagged, links.to(untagged=True)),
        ("crowd boxes in the crop", "crowd", outcomes.crowd, outcomes.samples_crowd, links.to(crowd=True)),
    ]
    return [
        Share(name, state, f"{count:,}", f"{count / boxes:.1%}", f"{samples:,}", link if samples else "")
        for name, state, count, samples, link in marks
    ]


def _sizes(sizes: Comparison, links: LinksToSteps) -> Figure:
    return _compared(sizes, "sizes", [links.to(state="object", size=size) for size in sizes.before.labels])


def _figure(quantity: Comparison, links: LinksToSteps) -> Figure:
    edges, targets = quantity.before.edges, [""] * len(quantity.before.labels)
    if quantity.name == "longer side":
        targets = [links.to(state="object", min_side=low, side_below=high) for low, high in pairwise(edges)]
    if quantity.unit == "":
        targets[0] = links.to(empty=True)
    return _compared(quantity, quantity.name.split(",")[0].replace(" ", "-"), targets)


def _compared(quantity: Comparison, name: str, targets: list[str]) -> Figure:
    labels = quantity.before.labels
    first, second = _as_shares(quantity.before.counts), _as_shares(quantity.after.counts)
    counts = [sum(one.counts) for one in (quantity.before, quantity.after)]
    kinds = ("{:,} boxes", "{:,} objects") if quantity.unit else ("the images of {:,} samples", "these {:,} samples")
    first_kind, second_kind = (kind.format(number) for kind, number in zip(kinds, counts, strict=True))
    note = (
        f"Bars: shares of {first_kind}, median {_rounded(quantity.median_before)}. "
        f"Line: of {second_kind}, median {_rounded(quantity.median_after)}."
    )
    edges = quantity.before.edges if quantity.unit else ()
    marks = _marks_of(edges) if edges else [label.partition(" ")[0] for label in labels]
    targets = [target if count else "" for target, count in zip(targets, quantity.after.counts, strict=True)]
    title = _capitalised(quantity.name)
    description = f"{title} in the images as bars and in the crops as a line. {note}"
    rows = tuple(
        Row(label, target, (f"{before:,}", f"{one:.1%}", f"{after:,}", f"{other:.1%}"))
        for label, target, before, one, after, other in zip(
            labels, targets, quantity.before.counts, first, quantity.after.counts, second, strict=True
        )
    )
    return Figure(
        plot(name, title, description, labels, first, second, ("images", "crops"), marks, targets),
        note,
        (quantity.unit or "number", "images", "share", "crops", "share"),
        rows,
    )


def _decision(number: int, decision: Decision) -> Figure:
    counts = decision.drawn.counts
    total = max(1, sum(counts))
    first, second = _as_shares(counts), [one / total for one in decision.expected]
    labels, edges = decision.drawn.labels, decision.drawn.edges
    marks = _marks_of(edges) if edges else [_short(label) for label in labels]
    title = _capitalised(decision.name)
    rows = tuple(
        Row(label, "", (f"{count:,}", f"{law:,.1f}"))
        for label, count, law in zip(labels, counts, decision.expected, strict=True)
    )
    verdict = "fit" if decision.fit.fits else "do not fit"
    description = f"{title}: draws as bars, theory as a line. The draws {verdict} the theory, {decision.rule}."
    figure = plot(f"decision-{number}", title, description, labels, first, second, ("drawn", "theory"), marks)
    return Figure(figure, f"Theory: {decision.rule}.", (decision.unit or "value", "drawn", "expected"), rows)


def _categories(found: Statistics, links: LinksToSteps, texts: Sequence[str]) -> list[CategoryRow]:
    """Return the rows of the table. texts: (C,) what names each category in a link."""
    most = max((one.boxes for one in found.categories), default=1)

    def row(one: CategoryCount) -> CategoryRow:
        parts = (one.objects, one.ignored, one.boxes - one.objects - one.ignored)
        first, second, third = (round(100 * part / most, 2) for part in parts)
        target = links.to(category=texts[one.number - 1]) if one.objects + one.ignored else ""
        return CategoryRow(
            one.name, target, f"{one.boxes:,}", f"{one.objects:,}", f"{one.ignored:,}", (first, second, third)
        )

    return [row(one) for one in found.categories]


def _marks_of(edges: Sequence[float]) -> list[str]:
    """Return the texts at the bounds of bins: of bins of a part of an octave, those at powers of two."""
    is_even = len(edges) < 3 or math.isclose(edges[1] - edges[0], edges[2] - edges[1])
    whole = [is_even or math.log2(edge).is_integer() for edge in edges]
    return [_brief(edge) if shows else "" for edge, shows in zip(edges, whole, strict=True)]


def _brief(value: float) -> str:
    return f"{value / 1000:.0f}k" if value >= 10_000 else shown(value)


def _short(label: str) -> str:
    """Return a label that fits below a bar: of a list of words, their first letters."""
    return "".join(word[0] for word in label.split(", ")) if ", " in label else label


def _capitalised(name: str) -> str:
    return name[0].upper() + name[1:]


def _as_shares(counts: tuple[int, ...]) -> list[float]:
    total = max(1, sum(counts))
    return [count / total for count in counts]


def _rounded(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
