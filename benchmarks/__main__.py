"""`python -m benchmarks`: measure, print one table, write it as JSON. Exit status 1 when a ratio misses its bound."""

import json
import platform
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from benchmarks import indexing, sampling, serving
from benchmarks.material import material
from benchmarks.row import Row
from service.settings import processors


def main(out: Path = Path("benchmarks/results.json")) -> None:
    """Measure every row beside its limit."""
    console = Console()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = material(folder)
        parts: dict[str, Callable[[], Iterator[Row]]] = {
            "sampler": lambda: sampling.rows(source),
            "service": lambda: serving.rows(source, folder),
            "index": lambda: indexing.rows(folder),
        }
        found: list[Row] = []
        for part, rows in parts.items():
            with console.status(f"measuring: {part}"):
                found += rows()
    console.print(_table(found, source.name))
    machine = {"processor": _processor(), "processors": processors(), "python": platform.python_version()}
    out.write_text(
        json.dumps({"machine": machine, "on": source.name, "rows": [row.as_dict() for row in found]}, indent=1)
    )
    console.print(f"on {machine['processor']}, {machine['processors']} processors; written to {out}")
    if not all(row.met for row in found):
        raise typer.Exit(1)


def _table(rows: list[Row], source: str) -> Table:
    table = Table("row", "measured", "limit in the same run", "ratio", "must be", "", title=f"on {source}")
    for row in rows:
        table.add_row(
            row.name, f"{row.value:,.2f} {row.unit}", f"{row.limit_name}: {row.limit:,.2f}", f"{row.ratio:.2f}",
            f"{'≤' if row.at_most else '≥'} {row.bound:g}", "met" if row.met else "missed",
        )  # fmt: skip
    return table


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    typer.run(main)
