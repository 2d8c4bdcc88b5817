"""`python -m benchmarks`: measure, print tables, write them as JSON and as a chart.

Exit status 1 when a ratio misses its bound.
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks import checks, delivery, indexing, loading, sampling, scale, serving
from benchmarks.decoders import Decoder, describe, fastest_exact, measure_decoders
from benchmarks.machine import machine, measured
from benchmarks.material import Material, material
from benchmarks.page import PAGE, put_into
from benchmarks.plot import draw
from benchmarks.preparations import Preparation, lines, preparations, preparations_markdown
from benchmarks.row import Row
from benchmarks.table import HEAD, cells, rows_markdown, terminal_table

HERE = Path(__file__).resolve().parent
PUBLISHED = HERE / "published.json"
"""What the performance page shows."""

PREPARATIONS = "preparations"
ROWS = ("sampler", "checks", "service", "delivery", "loader", "index", "scale")
PARTS = (PREPARATIONS, *ROWS)


def main(
    out: Annotated[Path, typer.Option(help="The JSON file to write, next to its chart.")] = HERE / "results.json",
    only: Annotated[list[str] | None, typer.Option(help=f"Measure only this part ({', '.join(PARTS)}).")] = None,
    publish: Annotated[bool, typer.Option("--publish", help="Write tables and chart into docs/ too.")] = False,
) -> None:
    """Measure every row and its limit, and what preparing a dataset costs."""
    unknown = set(only or ()) - set(PARTS)
    if unknown:
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: expected one of {', '.join(PARTS)}")
    if publish and only:
        raise typer.BadParameter("the page shows all parts: leave out --only or --publish")
    console = Console()
    with tempfile.TemporaryDirectory() as name:
        source, decoders, found, ways = _measure(Path(name), only or list(PARTS), console)
    title = f"on {source.name}; {machine()}"
    if ways:
        console.print(terminal_table(("", *(way.name for way in ways)), lines(ways), title))
    console.print(terminal_table(HEAD, [cells(row) for row in found], title))
    console.print(describe(decoders), soft_wrap=True)
    document = {
        "machine": machine(), "on": source.name, "decoders": describe(decoders),
        "rows": [row.as_dict() for row in found], "preparations": [asdict(way) for way in ways],
    }  # fmt: skip
    _write(document, found, title, out, out.with_suffix(".png"))
    if publish:
        _write(document, found, title, PUBLISHED, PAGE.with_suffix(".png"))
        put_into(PAGE, "preparations", f"{measured(title)}\n\n{preparations_markdown(ways)}")
        put_into(PAGE, "benchmarks", f"{measured(title)} {describe(decoders)}\n\n{rows_markdown(found)}")
    console.print(f"written to {', '.join(map(str, [out, PUBLISHED, PAGE] if publish else [out]))}", soft_wrap=True)
    if not all(row.met for row in found):
        raise typer.Exit(1)


def _measure(
    folder: Path, asked: list[str], console: Console
) -> tuple[Material, list[Decoder], list[Row], list[Preparation]]:
    with console.status("making the datasets"):
        jpeg = material(folder / "plain")
        recorded, decoded = jpeg.recorded(folder / "recorded"), jpeg.decoded(folder / "decoded")
        small = jpeg.with_small_boxes(folder / "small.json").decoded(folder / "small")
    with console.status("comparing decoders"):
        decoders = measure_decoders(jpeg.files())
    ways: list[Preparation] = []
    if PREPARATIONS in asked:
        with console.status("measuring: preparations"):
            ways += preparations(jpeg, recorded, decoded, folder)
    rows: dict[str, Callable[[], Iterator[Row]]] = {
        "sampler": lambda: sampling.rows(jpeg, recorded, decoded, small, fastest_exact(decoders), folder),
        "checks": lambda: checks.rows(jpeg, decoded),
        "service": lambda: serving.rows(jpeg, recorded, decoded, folder),
        "delivery": lambda: delivery.rows(decoded, folder),
        "loader": lambda: loading.rows(decoded, folder),
        "index": lambda: indexing.rows(folder),
        "scale": lambda: scale.rows(folder),
    }
    found: list[Row] = []
    for part in ROWS:
        if part in asked:
            with console.status(f"measuring: {part}"):
                found += rows[part]()
    return jpeg, decoders, found, ways


def _write(document: dict[str, Any], rows: list[Row], title: str, file: Path, chart: Path) -> None:
    file.write_text(json.dumps(document, indent=1) + "\n")
    draw(rows, title, chart)


if __name__ == "__main__":
    typer.run(main)
