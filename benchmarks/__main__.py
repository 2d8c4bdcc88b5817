"""`python -m benchmarks`: measure, print one table, write it as JSON and as a chart.

Exit status 1 when a ratio misses its bound.
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import checks, delivery, indexing, loading, sampling, scale, serving
from benchmarks.decoders import Decoder, describe, fastest_exact, measure_decoders
from benchmarks.machine import machine, measured
from benchmarks.material import Material, material
from benchmarks.page import PAGE, put_into
from benchmarks.plot import draw
from benchmarks.row import Row
from benchmarks.table import HEAD, cells, rows_markdown, terminal_table

HERE = Path(__file__).resolve().parent
PUBLISHED = HERE / "published.json"
"""The rows that the performance page shows."""

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
        source, decoders, found = _measure(Path(name), only or list(PARTS), console)
    title = f"on {source.name}; {machine()}"
    console.print(terminal_table(HEAD, [cells(row) for row in found], title))
    console.print(describe(decoders), soft_wrap=True)
    content = {
        "machine": machine(), "on": source.name, "decoders": describe(decoders),
        "rows": [row.as_dict() for row in found],
    }  # fmt: skip
    document = json.dumps(content, indent=1) + "\n"
    out.write_text(document)
    draw(found, title, out.with_suffix(".png"))
    if publish:
        PUBLISHED.write_text(document)
        draw(found, title, PAGE.with_suffix(".png"))
        put_into(PAGE, "benchmarks", f"{measured(title)} {describe(decoders)}\n\n{rows_markdown(found)}")
    console.print(f"written to {', '.join(map(str, [out, PUBLISHED, PAGE] if publish else [out]))}", soft_wrap=True)
    if not all(row.met for row in found):
        raise typer.Exit(1)


def _measure(folder: Path, asked: list[str], console: Console) -> tuple[Material, list[Decoder], list[Row]]:
    with console.status("making the datasets"):
        jpeg = material(folder / "plain")
        decoded = jpeg.decoded(folder / "decoded")
        small = jpeg.with_small_boxes(folder / "small.json").decoded(folder / "small")
    with console.status("comparing decoders"):
        decoders = measure_decoders(jpeg.files())
    parts: dict[str, Callable[[], Iterator[Row]]] = {
        "sampler": lambda: sampling.rows(jpeg, decoded, small, fastest_exact(decoders)),
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
    return jpeg, decoders, found


if __name__ == "__main__":
    typer.run(main)
