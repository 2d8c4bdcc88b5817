"""Statistics as tables with bars, for a terminal."""

import math
from collections.abc import Iterator

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from sampler.printable import printable
from sampler.survey.decisions import Decision
from sampler.survey.statistics import CategoryCount, Comparison, Outcomes, Statistics

BAR = 20
"""Characters of the longest bar."""

BLOCKS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")
"""Parts of a character's width, in eighths."""

MOST_CATEGORIES = 20
"""Rows of the table of categories; --json has all."""


def tables(found: Statistics, console: Console) -> Iterator[Table]:
    """Yield the tables of statistics. console: where they will be printed, which decides on characters."""
    yield _outcomes(found.outcomes, console)
    for comparison in (found.sizes, *found.quantities):
        yield _comparison(comparison, console)
    yield _categories(found.categories, console)
    if found.decisions:
        yield _decisions(found.decisions, console)


def bar(share: float, console: Console) -> str:
    """Return a bar of up to `BAR` characters. share: 0 … 1."""
    if not console.encoding.startswith("utf"):
        return "#" * round(share * BAR)
    whole, part = divmod(round(share * BAR * 8), 8)
    return "█" * whole + BLOCKS[part]


def _outcomes(outcomes: Outcomes, console: Console) -> Table:
    table = Table(
        "", _number("boxes"), _number("share"), Column(""), _number("samples with any"), title=_title(outcomes)
    )

    def row(name: str, boxes: int, samples: int | None, of: int = outcomes.boxes) -> None:
        share = boxes / of if of else 0.0
        with_any = "" if samples is None else f"{samples:,}"
        table.add_row(name, f"{boxes:,}", f"{share:.1%}", bar(share, console), with_any)

    row("objects", outcomes.objects, outcomes.samples - outcomes.samples_empty)
    row("ignored", outcomes.ignored, outcomes.samples_ignored)
    for reason, count in outcomes.ignored_because:
        row(f"  {reason}", count, None)
    row("outside the crop", outcomes.outside, outcomes.samples_outside)
    table.add_section()
    row("cut off by the crop", outcomes.cut_off, outcomes.samples_cut_off)
    row("objects without tags", outcomes.untagged, outcomes.samples_untagged)
    row("crowd boxes in the crop", outcomes.crowd, outcomes.samples_crowd)
    return table


def _title(outcomes: Outcomes) -> str:
    empty = outcomes.samples_empty / outcomes.samples
    return (
        f"{outcomes.samples:,} samples, {outcomes.boxes:,} boxes; "
        f"{outcomes.samples_empty:,} samples ({empty:.1%}) without objects"
    )


def _comparison(comparison: Comparison, console: Console) -> Table:
    medians = f"median {_shown(comparison.median_before)}, in the crops {_shown(comparison.median_after)}"
    columns = (_number("images"), Column(""), _number("crops"), Column(""))
    table = Table(comparison.unit, *columns, title=f"{comparison.name}: {medians}")
    before, after = comparison.before.counts, comparison.after.counts
    shares = [[count / max(1, sum(counts)) for count in counts] for counts in (before, after)]
    longest = max(*shares[0], *shares[1]) or 1.0
    for label, one, other in zip(comparison.before.labels, *shares, strict=True):
        bars = (bar(one / longest, console), bar(other / longest, console))
        table.add_row(_ascii(label, console), f"{one:.1%}", bars[0], f"{other:.1%}", bars[1])
    return table


def _categories(categories: tuple[CategoryCount, ...], console: Console) -> Table:
    shown = categories[:MOST_CATEGORIES]
    title = f"categories: {len(categories)}"
    if len(categories) > len(shown):
        title += f", the {len(shown)} most frequent"
    table = Table("category", _number("boxes"), Column(""), _number("objects"), _number("ignored"), title=title)
    for one in shown:
        share = one.boxes / shown[0].boxes
        name = Text(printable(one.name))
        table.add_row(name, f"{one.boxes:,}", bar(share, console), f"{one.objects:,}", f"{one.ignored:,}")
    return table


def _decisions(decisions: tuple[Decision, ...], console: Console) -> Table:
    table = Table(
        "decision",
        Column("theory", max_width=52),
        "test",
        _number("statistic"),
        _number("p"),
        "",
        title="draws against theory",
    )
    for decision in decisions:
        fit = decision.fit
        verdict = Text("fits", "green") if fit.fits else Text("does not fit", "bold red")
        row = (decision.name, decision.rule, fit.method)
        table.add_row(*(_ascii(text, console) for text in row), f"{fit.statistic:.4f}", f"{fit.p_value:.3f}", verdict)
    return table


def _number(name: str) -> Column:
    return Column(name, justify="right")


def _shown(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"


def _ascii(text: str, console: Console) -> str:
    """Return a text with the characters that the console's encoding has."""
    if console.encoding.startswith("utf"):
        return text
    return text.replace("–", "-").replace("χ²", "chi squared")
