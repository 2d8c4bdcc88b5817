"""`python -m benchmarks.fleet`: simulate fleets of up to 200 servers and 1,000 trainers, and draw what happens.

The service times are those in `service_times.json`; `--measure` replaces them by this host's. With the same times, the
results are the same each time. `--check` compares small cases with real servers and trainers.
"""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from benchmarks.fleet.chart import draw
from benchmarks.fleet.measured import measure_service_times, read_service_times, write_service_times
from benchmarks.fleet.real import compare
from benchmarks.fleet.report import CHECK_HEAD, HEAD, check_cells, lines, section
from benchmarks.fleet.studies import STUDIES, Result, run_study, studies
from benchmarks.machine import machine
from benchmarks.material import material
from benchmarks.page import put_into
from benchmarks.table import terminal_table

HERE = Path(__file__).resolve().parent
TIMES, PUBLISHED = HERE / "service_times.json", HERE / "published.json"
PAGE = HERE.parents[1] / "docs" / "scale-out.md"
CHART = PAGE.with_name("fleet.png")


def main(
    out: Annotated[Path, typer.Option(help="The folder for the JSON file and the chart.")] = HERE / "results",
    only: Annotated[list[str] | None, typer.Option(help=f"Simulate only this study ({', '.join(STUDIES)}).")] = None,
    measure: Annotated[bool, typer.Option("--measure", help="Measure the service times on this host first.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Compare small cases with real servers on this host.")] = False,
    publish: Annotated[bool, typer.Option("--publish", help="Write table and chart into docs/ too.")] = False,
) -> None:
    """Simulate every scenario (10 minutes)."""
    unknown = set(only or ()) - set(STUDIES)
    if unknown:
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: expected one of {', '.join(STUDIES)}")
    if publish and (only or not check):
        raise typer.BadParameter("the page shows all studies and the comparison: add --check and leave out --only")
    console = Console()
    with tempfile.TemporaryDirectory() as name:
        source = material(Path(name) / "plain").recorded(Path(name) / "recorded") if measure or check else None
        if measure and source is not None:
            write_service_times(TIMES, measure_service_times(source, Path(name)))
        checks = compare(source, Path(name)) if check and source is not None else []
    chosen = [one for one in studies(read_service_times(TIMES)) if not only or one.study in only]
    found = [run_study(one) for one in track(chosen, "simulating", console=Console(stderr=True))]
    console.print(terminal_table(HEAD, lines(found), "simulated"))
    if checks:
        console.print(terminal_table(CHECK_HEAD, [check_cells(one) for one in checks], "measured, and simulated"))
    out.mkdir(exist_ok=True)
    document: dict[str, object] = {
        "machine": machine(),
        "results": [asdict(result) for result in found],
        "checks": [asdict(one) for one in checks],
    }
    _write(document, found, out / "results.json", out / "fleet.png")
    if publish:
        _write(document, found, PUBLISHED, CHART)
        put_into(PAGE, "fleet", section(found, checks))


def _write(document: dict[str, object], found: list[Result], file: Path, chart: Path) -> None:
    file.write_text(json.dumps(document, indent=1) + "\n")
    draw(found, chart)


if __name__ == "__main__":
    typer.run(main)
