"""`python -m benchmarks.peers`: measure loaders of other projects and this one's, print tables, write JSON and a chart.

Run it with the Python of `.venv-peers`, which `make bench PEERS=1` makes. Exit status 1 when a ratio misses its bound.
"""

import json
import os
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.machine import machine, measured
from benchmarks.material import material
from benchmarks.page import PAGE, put_into
from benchmarks.peers.job import WORKERS, Window
from benchmarks.peers.plot import draw
from benchmarks.peers.repeated import repeated
from benchmarks.peers.report import HEAD, document, lines, section
from benchmarks.peers.results import PEERS, rows_of
from benchmarks.peers.rounds import Bench, Findings, measure, warm_server
from benchmarks.table import HEAD as ROW_HEAD
from benchmarks.table import cells, terminal_table
from sampler.kernels.compiled.kernels import warm_up

HERE = Path(__file__).resolve().parent
PUBLISHED = HERE / "published.json"
"""What the performance page shows."""
CHART = PAGE.with_name("peers.png")

IMAGES = 1920
"""An epoch of 40 batches. Decoded, they take 1.7 GB."""


def main(
    out: Annotated[Path, typer.Option(help="The JSON file to write, next to its chart.")] = HERE / "results.json",
    only: Annotated[list[str] | None, typer.Option(help=f"Measure only this peer ({', '.join(PEERS)}).")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each contender is measured.")] = 3,
    seconds: Annotated[float, typer.Option(help="Minimum duration of one measurement.")] = Window().seconds,
    publish: Annotated[bool, typer.Option("--publish", help="Write tables and chart into docs/ too.")] = False,
) -> None:
    """Measure every contender in turn, all on the same two cores."""
    unknown = set(only or ()) - set(PEERS)
    if unknown:
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: expected one of {', '.join(PEERS)}")
    if publish and only:
        raise typer.BadParameter("the page shows all peers: leave out --only or --publish")
    console = Console(highlight=False, soft_wrap=True)
    _use_two_cores()
    findings, source = _measure(tuple(only or PEERS), rounds, Window(seconds=seconds), console)
    results, title = findings.results(), f"on {source}; {machine()}"
    rows = rows_of(results)
    console.print(terminal_table(HEAD, lines(results), title))
    if rows:
        console.print(terminal_table(ROW_HEAD, [cells(row) for row in rows], title))
    content = document(results, findings.left_out, machine(), source)
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    out.write_text(text, encoding="utf-8")
    draw(results, title, out.with_suffix(".png"))
    if publish:
        PUBLISHED.write_text(text, encoding="utf-8")
        draw(results, title, CHART)
        put_into(PAGE, "peers", f"{measured(title)} {section(content)}")
    console.print(f"written to {', '.join(map(str, [out, PUBLISHED, PAGE] if publish else [out]))}")
    for name, why in findings.left_out.items():
        console.print(f"{name} is left out: {why}", style="bold")
    if not rows:
        console.print("no other loader could be measured, so there is nothing to compare with", style="bold")
    if not rows or not all(row.met for row in rows):
        raise typer.Exit(1)


def _use_two_cores() -> None:
    """Keep this process and all that it starts on as many cores as there are workers."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:WORKERS])


def _measure(peers: tuple[str, ...], rounds: int, window: Window, console: Console) -> tuple[Findings, str]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        with console.status("compiling the kernels, making the datasets"):
            warm_up()
            source = material(folder / "demo")
            jpeg = repeated(source, IMAGES, folder / "repeated")
            images = len(jpeg.open())
            decoded = jpeg.decoded(folder / "decoded")
        with console.status("warming up the servers"):
            recorded = replace(jpeg, cache_dir=folder / "recorded")
            later = stack.enter_context(warm_server(recorded, images, folder))
            store = stack.enter_context(warm_server(decoded, images, folder))
        bench = Bench(jpeg, images, later, store, peers, window, folder, console.print)
        with console.status("measuring"):
            return measure(bench, rounds), source.name


if __name__ == "__main__":
    typer.run(main)
