"""`python -m benchmarks`: measure, print one table, write it as JSON and as a chart.

Exit status 1 when a ratio misses its bound.
"""

import json
import platform
import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks import checks, delivery, indexing, loading, sampling, scale, serving
from benchmarks.material import material
from benchmarks.plot import draw
from benchmarks.row import Row
from benchmarks.table import markdown, put_into, terminal_table
from sampler.cpus import available_cpus

HERE = Path(__file__).resolve().parent
PUBLISHED = HERE / "published.json"
"""The rows that the performance page shows."""

PAGE = HERE.parent / "docs" / "performance.md"
"""The page with the published table. Its chart is the `.png` file next to it."""

PARTS = ("sampler", "checks", "service", "delivery", "loader", "index", "scale")


def main(
    out: Annotated[Path, typer.Option(help="The JSON file to write, next to its chart.")] = HERE / "results.json",
    only: Annotated[list[str] | None, typer.Option(help=f"Measure only this part ({', '.join(PARTS)}).")] = None,
    publish: Annotated[bool, typer.Option("--publish", help="Write table and chart into docs/ too.")] = False,
) -> None:
    """Measure every row and its limit."""
    unknown = set(only or ()) - set(PARTS)
    if unknown:
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: expected some of {', '.join(PARTS)}")
    console = Console()
    with tempfile.TemporaryDirectory() as name:
        found, source = _measure(Path(name), only or list(PARTS), console)
    machine = f"{_cpu_model()}, {available_cpus()} CPUs, Python {platform.python_version()}"
    title = f"on {source}; {machine}"
    console.print(terminal_table(found, title))
    document = json.dumps(_document(found, source, machine), indent=1) + "\n"
    out.write_text(document)
    draw(found, title, out.with_suffix(".png"))
    if publish:
        PUBLISHED.write_text(document)
        draw(found, title, PAGE.with_suffix(".png"))
        put_into(PAGE, f"Measured {date.today()} {title}.\n\n{markdown(found)}")
    console.print(f"written to {', '.join(map(str, [out, PUBLISHED, PAGE] if publish else [out]))}", soft_wrap=True)
    if not all(row.met for row in found):
        raise typer.Exit(1)


def _measure(folder: Path, asked: list[str], console: Console) -> tuple[list[Row], str]:
    with console.status("making the datasets"):
        jpeg = material(folder / "plain")
        decoded = jpeg.decoded(folder / "decoded")
        small = jpeg.with_small_boxes(folder / "small.json").decoded(folder / "small")
    parts: dict[str, Callable[[], Iterator[Row]]] = {
        "sampler": lambda: sampling.rows(jpeg, decoded, small),
        "checks": lambda: checks.rows(jpeg, decoded),
        "service": lambda: serving.rows(jpeg, decoded, folder),
        "delivery": lambda: delivery.rows(decoded, folder),
        "loader": lambda: loading.rows(decoded, folder),
        "index": lambda: indexing.rows(folder),
        "scale": lambda: scale.rows(folder),
    }
    found: list[Row] = []
    for part in PARTS:
        if part in asked:
            with console.status(f"measuring: {part}"):
                found += parts[part]()
    return found, jpeg.name


def _document(rows: list[Row], source: str, machine: str) -> dict[str, Any]:
    return {"machine": machine, "on": source, "rows": [row.as_dict() for row in rows]}


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    typer.run(main)
