"""The rows as a table: for the terminal, and for the performance page."""

from collections.abc import Sequence

from rich.table import Table

from benchmarks.row import NO_LIMIT, Row

HEAD = ("row", "measured", "limit in the same run", "ratio", "must be", "")


def terminal_table(head: Sequence[str], lines: Sequence[Sequence[str]], title: str) -> Table:
    """Return the table that is printed."""
    table = Table(*head, title=title)
    for line in lines:
        table.add_row(*line)
    return table


def cells(row: Row) -> tuple[str, ...]:
    """Return the texts of one row, in the order of `HEAD`."""
    limit = row.limit_name if row.limit_name == NO_LIMIT else f"{row.limit_name}: {number(row.limit)}"
    spread = f" ({row.spread[0]:,.2f}–{row.spread[1]:,.2f})" if row.spread and row.ratio < 100 else ""
    bound = f"{'≤' if row.at_most else '≥'} {row.bound:,g}"
    verdict = "met" if row.met else "missed"
    return row.name, f"{number(row.value)} {row.unit}", limit, row.ratio_text + spread, bound, verdict


def markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a table as Markdown."""
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, ["---"] * len(head), *lines))


def rows_markdown(rows: list[Row]) -> str:
    """Return the table of rows as Markdown."""
    return markdown(HEAD, [cells(row) for row in rows])


def number(value: float) -> str:
    """Return a number with about three significant digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:,.2f}" if value >= 1 else f"{value:,.3f}"
