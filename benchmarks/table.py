"""The rows as a table: for the terminal, and for the performance page."""

import re
from pathlib import Path

from rich.table import Table

from benchmarks.row import NO_LIMIT, Row

PLACE = re.compile(r"(?<=<!-- benchmarks -->\n).*?(?=<!-- /benchmarks -->)", re.DOTALL)
HEAD = ("row", "measured", "limit in the same run", "ratio", "must be", "")


def terminal_table(rows: list[Row], title: str) -> Table:
    """Return the table that is printed."""
    table = Table(*HEAD, title=title)
    for row in rows:
        table.add_row(*cells(row))
    return table


def cells(row: Row) -> tuple[str, ...]:
    """Return the texts of one row, in the order of `HEAD`."""
    limit = row.limit_name if row.limit_name == NO_LIMIT else f"{row.limit_name}: {_number(row.limit)}"
    spread = f" ({row.spread[0]:,.2f}–{row.spread[1]:,.2f})" if row.spread and row.ratio < 100 else ""
    bound = f"{'≤' if row.at_most else '≥'} {row.bound:,g}"
    verdict = "met" if row.met else "missed"
    return row.name, f"{_number(row.value)} {row.unit}", limit, row.ratio_text + spread, bound, verdict


def markdown(rows: list[Row]) -> str:
    """Return the table as Markdown."""
    lines = [HEAD, tuple("---" for _ in HEAD), *(cells(row) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def put_into(page: Path, text: str) -> None:
    """Replace the text between a page's benchmark comments. Raises ValueError if it has none."""
    before = page.read_text(encoding="utf-8")
    if not PLACE.search(before):
        raise ValueError(f"{page}: add the lines <!-- benchmarks --> and <!-- /benchmarks --> where the table belongs")
    page.write_text(PLACE.sub(lambda _: text, before), encoding="utf-8")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.2f}" if value >= 1 else f"{value:,.3f}"
