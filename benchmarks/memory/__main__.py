"""`python -m benchmarks.memory`: what server, worker, loader process and trainer hold, at rest and under load."""

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console

from benchmarks.machine import machine, measured
from benchmarks.material import Material, material
from benchmarks.memory.load import other_requests
from benchmarks.memory.report import EXPLANATION, HEAD, Held, lines
from benchmarks.memory.trainer import Trainer, trainer
from benchmarks.memory.usage import Usage
from benchmarks.page import PAGE, put_into
from benchmarks.server import MeasuredServer, server
from benchmarks.table import markdown, terminal_table

WORKERS = 2
POLL_SECONDS = 0.5
IDLE_SECONDS = 5.0
"""Time after which processes without work have released freed memory."""


def main(
    seconds: Annotated[float, typer.Option(help="How long each server is under load.")] = 60.0,
    publish: Annotated[bool, typer.Option("--publish", help="Write the table into docs/ too.")] = False,
) -> None:
    """Measure a server of JPEG files and one of a decoded store."""
    console = Console()
    with tempfile.TemporaryDirectory() as name, console.status("measuring memory"):
        folder = Path(name).resolve()
        jpeg = material(folder / "jpeg")
        decoded = jpeg.decoded(folder / "decoded")
        held = [*_measure("JPEG", jpeg, folder, seconds), *_measure("decoded store", decoded, folder, seconds)]
    title = f"on {jpeg.name}; {machine()}; {WORKERS} workers, {seconds:g} s of load"
    console.print(terminal_table(HEAD, lines(held), title))
    if publish:
        put_into(PAGE, "memory", f"{measured(title)}\n\n{EXPLANATION}\n\n{markdown(HEAD, lines(held))}")


def _measure(source_name: str, source: Material, folder: Path, seconds: float) -> list[Held]:
    """Return what each process of a server and a trainer holds."""
    with server(source, folder / "server.log", workers=WORKERS) as running, trainer(running.url) as training:
        at_rest = largest = _usages(running, training, source)
        end = time.monotonic() + seconds
        with other_requests(running.url):
            training.go_on()
            while time.monotonic() < end:
                time.sleep(POLL_SECONDS)
                now = _usages(running, training, source)
                largest = {name: usage.largest(largest.get(name, usage)) for name, usage in now.items()}
            training.go_on()
        time.sleep(IDLE_SECONDS)
        afterwards = _usages(running, training, source)
    return [Held(source_name, name, at_rest.get(name), largest[name], afterwards[name]) for name in largest]


def _usages(running: MeasuredServer, training: Trainer, source: Material) -> Mapping[str, Usage]:
    """Return what each process holds now; of several workers, the larger of each number."""
    found: dict[str, Usage] = {}
    for name, process in _processes(running, training):
        usage = Usage.of_process(process.pid, source.cache_dir)
        found[name] = usage.largest(found.get(name, usage))
    return found


def _processes(running: MeasuredServer, training: Trainer) -> list[tuple[str, psutil.Process]]:
    workers = [("worker", child) for child in running.process.children()]
    loaders = [("loader process", child) for child in training.process.children()]
    return [("server", running.process), *workers, ("trainer", training.process), *loaders]


if __name__ == "__main__":
    typer.run(main)
