"""`python -m benchmarks.ray_serve`: batches from uvicorn alone, and from a replica of Ray Serve behind HAProxy.

Both run at the same time and take turns. They send the same batches from their batch cache, so that the way to the
client is measured and not the samples.
"""

import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.clients import ClientProcesses, Report, Work, client_processes
from benchmarks.machine import machine
from benchmarks.material import material
from benchmarks.ray_serve.application import READY
from benchmarks.table import number, terminal_table
from client import SamplerClient
from service.ray_serve import REQUIRED

HEAD = ("body", "at once", "server", "requests/s", "MB/s", "median ms", "95 % ms", "ratio")

SAMPLE_MB = 0.196
"""Of a compact sample of CornerNet-Saccade with an input of 255 pixels."""

UVICORN, RAY = "uvicorn", "Ray Serve"
START_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Load:
    """A kind of request: samples of a batch, steps of a turn, requests at once."""

    batch_size: int
    steps: int
    connections: int

    @property
    def work(self) -> Work:
        """The work of the client in one turn."""
        return Work(seed=7, steps=(0, self.steps), batch_size=self.batch_size, connections=self.connections)


LOADS = (Load(1, 200, 1), Load(1, 200, 8), Load(51, 12, 1), Load(51, 12, 8))
"""Batches of one sample have 200 kB, those of 51 samples 10 MB."""


def main(turns: Annotated[int, typer.Option(help="Turns of each server, after one that warms up.")] = 5) -> None:
    """Measure, and print the table."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="ray-") as name, ExitStack() as stack:
        folder = Path(name).resolve()
        source = material(folder / "jpeg")
        settings = {"SAMPLER_WORKERS": "2", "SAMPLER_BATCH_CACHE_MB": "256", "SAMPLER_OPEN": "1"}
        own = os.environ | source.environment() | settings
        clients = {
            UVICORN: stack.enter_context(_clients(_uvicorn(stack, folder, own))),
            RAY: stack.enter_context(_clients(_ray(stack, folder, own))),
        }
        lines = [line for load in LOADS for line in rows(load, _turns(clients, load, turns))]
    console.print(terminal_table(HEAD, lines, f"{machine()}; {turns} turns"))


def _turns(clients: Mapping[str, ClientProcesses], load: Load, turns: int) -> dict[str, list[Report]]:
    reports: dict[str, list[Report]] = {name: [] for name in clients}
    for turn in range(turns + 1):
        for name, process in clients.items():
            [report] = process.receive([load.work])
            if turn:
                reports[name].append(report)
    return reports


def rows(load: Load, reports: Mapping[str, list[Report]]) -> Iterator[tuple[str, ...]]:
    """Yield a line for each server. reports: of its turns, by server; `UVICORN` is one of them."""
    megabytes = load.batch_size * SAMPLE_MB
    rates = {name: load.steps / statistics.median(report.seconds for report in of) for name, of in reports.items()}
    for name, of in reports.items():
        waits = sorted(wait * 1000 for report in of for wait in report.waits)
        yield (
            f"{megabytes:.1f} MB", str(load.connections), name, number(rates[name]), number(rates[name] * megabytes),
            number(statistics.median(waits)), number(waits[len(waits) * 95 // 100]),
            f"{rates[name] / rates[UVICORN]:.2f}",
        )  # fmt: skip


@contextmanager
def _clients(url: str) -> Iterator[ClientProcesses]:
    deadline = time.monotonic() + START_SECONDS
    with SamplerClient(url) as client:
        while not client.ready():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{url} is not ready after {START_SECONDS:g} s")
            time.sleep(0.2)
    with client_processes(url, 1) as processes:
        yield processes


def _uvicorn(stack: ExitStack, folder: Path, variables: Mapping[str, str]) -> str:
    port = _free_port()
    command = ["-m", "uvicorn", "service.main:app", "--port", str(port), "--no-access-log"]
    log = stack.enter_context((folder / "uvicorn.log").open("w"))
    process = subprocess.Popen([sys.executable, *command], env=dict(variables), stdout=log, stderr=log)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return f"http://127.0.0.1:{port}"


def _ray(stack: ExitStack, folder: Path, variables: Mapping[str, str]) -> str:
    port = _free_port()
    files = {"CONFIG_FILE_LOC": "haproxy.cfg", "SOCKET_PATH": "admin", "SERVER_STATE_FILE": "state"}
    own = {
        **dict.fromkeys(REQUIRED, "1"),
        "RAY_TMPDIR": str(folder),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(16),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "0",
        **{f"RAY_SERVE_HAPROXY_{name}": str(folder / file) for name, file in files.items()},
    }
    command = [sys.executable, "-m", "benchmarks.ray_serve.application", str(port)]
    log = stack.enter_context((folder / "ray.log").open("w"))
    process = subprocess.Popen(
        command, env={**variables, **own}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
    )
    stack.enter_context(process)  # closes its input, which ends it, and waits
    assert process.stdout is not None
    if READY not in process.stdout.readline():
        raise RuntimeError(f"Ray Serve did not start:\n{(folder / 'ray.log').read_text()}")
    return f"http://127.0.0.1:{port}"


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


if __name__ == "__main__":
    typer.run(main)
