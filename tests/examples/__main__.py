"""Run all examples on the CPU with the demo dataset: `make examples`."""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from service.demo.dataset import ensure_demo
from service.settings.load import load_settings
from tests.examples.catalogue import EXAMPLES, QUIET, Example, Run
from tests.examples.datasets import split, write_settings
from tests.ray.scenario import ray_folder, ray_variables
from tests.support.live_server import LiveServer, live_server
from tests.support.paths import ROOT
from tests.support.processes import environment, kill_at_end

SECONDS = 300.0
"""After which an example counts as failed."""

VALIDATED = 32
"""Images of the demo dataset for validation."""

NO_GPU = {"CUDA_VISIBLE_DEVICES": ""}


@dataclass(frozen=True)
class Row:
    """What became of an example. seconds: None if it was skipped."""

    file: str
    seconds: float | None
    result: str

    @property
    def failed(self) -> bool:
        """Whether the example ran and failed."""
        return self.seconds is not None and self.result != "passed"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the examples; return 1 if one fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.examples", description=__doc__)
    parser.add_argument("names", nargs="*", help="files of the examples to run; all by default")
    parser.add_argument("--steps", type=int, default=20, help="steps of each example")
    given = parser.parse_args(arguments)
    chosen = [example for example in EXAMPLES if not given.names or example.file in given.names]
    if unknown := set(given.names) - {example.file for example in chosen}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; expected files of examples/ such as {EXAMPLES[0].file}")
    with tempfile.TemporaryDirectory(prefix="examples-") as folder, demo_server(Path(folder)) as server:
        run = Run(server.url, Path(folder), given.steps, batch_size=8, every=max(given.steps // 4, 1))
        rows = [tried(example, run) for example in chosen]
    print(f"\n{table(rows)}")
    return int(any(row.failed for row in rows))


@contextmanager
def demo_server(folder: Path) -> Iterator[LiveServer]:
    """Run a server that has one part of the demo dataset as `train` and the other as `val`."""
    cache_dir = load_settings().cache_dir
    demo = ensure_demo(cache_dir)
    settings = write_settings(folder, split(demo.annotations, demo.images, folder, VALIDATED))
    with kill_at_end(), live_server(folder, settings=settings, cache_dir=cache_dir) as server:
        yield server


def tried(example: Example, run: Run) -> Row:
    """Run an example, unless something that it needs is missing. What it prints is printed."""
    if example.missing:
        return Row(example.file, None, f"skipped: {example.missing} is not installed")
    print(f"\n--- {example.file} ---", flush=True)
    began = time.monotonic()
    with ray_folder() as folder:
        result = outcome(example.command(run), QUIET | NO_GPU | ray_variables(folder))
    return Row(example.file, time.monotonic() - began, result)


def outcome(command: Sequence[object], variables: Mapping[str, object]) -> str:
    """Run a command to its end and return "passed" or what went wrong."""
    try:
        status = subprocess.run(
            list(map(str, command)), cwd=ROOT, env=environment(variables=variables), timeout=SECONDS, check=False
        ).returncode
    except subprocess.TimeoutExpired:
        return f"failed: not done after {SECONDS:g} s"
    return "passed" if status == 0 else f"failed: status {status}"


def table(rows: Sequence[Row]) -> str:
    """Return the table of all examples."""
    width = max(len(row.file) for row in rows)
    lines = [f"{'example':{width}}  seconds  result"]
    for row in rows:
        seconds = "–" if row.seconds is None else f"{row.seconds:.1f}"
        lines.append(f"{row.file:{width}}  {seconds:>7}  {row.result}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
