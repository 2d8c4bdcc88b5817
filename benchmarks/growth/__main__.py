"""`python -m benchmarks.growth`: measure how cost grows, print one table for each load, write JSON and charts."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.growth.chart import draw
from benchmarks.growth.studies import STUDIES, section, studies
from benchmarks.growth.study import Study
from benchmarks.machine import machine, measured
from benchmarks.material import material
from benchmarks.page import PAGE, put_into
from benchmarks.table import terminal_table

HERE = Path(__file__).resolve().parent
PUBLISHED = HERE / "published.json"
"""The studies that the performance page shows."""


def main(
    out: Annotated[Path, typer.Option(help="The folder for the JSON file and the charts.")] = HERE / "results",
    only: Annotated[list[str] | None, typer.Option(help=f"Measure only this load ({', '.join(STUDIES)}).")] = None,
    publish: Annotated[bool, typer.Option("--publish", help="Write tables and charts into docs/ too.")] = False,
) -> None:
    """Measure each load, next to what the model predicts."""
    unknown = set(only or ()) - set(STUDIES)
    if unknown:
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: expected one of {', '.join(STUDIES)}")
    if publish and only:
        raise typer.BadParameter("the page shows all loads: leave out --only or --publish")
    console = Console()
    with tempfile.TemporaryDirectory() as name, console.status("measuring how cost grows"):
        source = material(Path(name) / "plain").recorded(Path(name) / "recorded")
        found = list(studies(only or list(STUDIES), source, Path(name)))
    for study in found:
        console.print(terminal_table(study.head, study.lines, f"{study.title} (predicted in brackets)"))
    out.mkdir(exist_ok=True)
    content = {"machine": machine(), "on": source.name, "studies": [study.as_dict() for study in found]}
    document = json.dumps(content, indent=1) + "\n"
    _write(document, found, out / "results.json", out)
    if publish:
        _write(document, found, PUBLISHED, PAGE.parent)
        put_into(PAGE, "growth", f"{measured(f'on {source.name}; {machine()}')}\n\n{section(found)}")
    console.print(f"written to {', '.join(map(str, [out, PUBLISHED, PAGE] if publish else [out]))}", soft_wrap=True)


def _write(document: str, found: Sequence[Study], file: Path, charts: Path) -> None:
    file.write_text(document)
    for study in found:
        draw(study, machine(), charts / f"{study.name}.png")


if __name__ == "__main__":
    typer.run(main)
