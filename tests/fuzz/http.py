"""Odd requests to every endpoint of a real server, by schemathesis with all its checks: `python -m tests.fuzz.http`.

The OpenAPI document of the server says which requests are valid, and which responses it may give.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.support.live_server import LiveServer, live_server
from tests.support.processes import start
from tests.support.scenes import write_scenes

CONFIG = Path(__file__).with_name("schemathesis.toml")
HOOKS = "tests.fuzz.http_hooks"
PROGRAM = "from schemathesis.cli import schemathesis; schemathesis()"

TOKEN = "token-for-odd-requests"
RESPONSE_SECONDS = 3.0
"""A picture takes half a second, and several times as long on a busy machine."""
MAX_GROWTH_MB = 64
"""Growth of the server's memory over all requests, after the first ones."""

MEGABYTE = 1 << 20
SAMPLE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a run. report: of schemathesis. growth_mb: of the server process alone."""

    status: int
    report: str
    growth_mb: float

    @property
    def passed(self) -> bool:
        return self.status == 0 and self.growth_mb <= MAX_GROWTH_MB


@contextmanager
def small_server(folder: Path) -> Iterator[LiveServer]:
    """Run a server whose batches are small, so that even a valid request takes milliseconds. It has a token."""
    annotations, images = write_scenes(folder / "scenes")
    with live_server(
        folder, annotations=annotations, images=images, cache_dir=folder / "cache", workers=1, max_batch=8, token=TOKEN
    ) as server:
        yield server


def run(
    server: LiveServer,
    examples: int,
    seed: int,
    seconds: float = RESPONSE_SECONDS,
    phases: str = "coverage,fuzzing",
    most: int = 600,
) -> Result:
    """Send requests to each endpoint.

    Args:
        server: with `TOKEN`.
        examples: per endpoint and phase, at most.
        seed: chooses the requests.
        seconds: for any response.
        phases: of schemathesis.
        most: seconds of the whole run.
    """
    process = psutil.Process(server.process.pid)
    command = [
        sys.executable, "-c", PROGRAM, f"--config-file={CONFIG}", "run", f"{server.url}/openapi.json", "--checks=all",
        f"--max-examples={examples}", f"--seed={seed}", f"--max-response-time={seconds}", "--no-color",
        "--continue-on-failure", f"--phases={phases}", "--request-timeout=20", f"--max-time={most}",
        f"--header=Authorization: Bearer {TOKEN}",
    ]  # fmt: skip
    with tempfile.TemporaryFile("w+") as output:
        variables = {"SCHEMATHESIS_HOOKS": HOOKS, "COLUMNS": "120"}
        running = start(*command, variables=variables, coverage=False, stdout=output, stderr=subprocess.STDOUT)
        peak, first = 0, None
        while running.poll() is None:
            peak = max(peak, process.memory_info().rss)
            first = first or peak
            time.sleep(SAMPLE_SECONDS)
        output.seek(0)
        return Result(running.returncode, output.read(), (peak - (first or peak)) / MEGABYTE)


def main(arguments: list[str] | None = None) -> int:
    """Run the requests; return 1 if the server breaks its contract, is slow, or grows."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.http", description=__doc__)
    parser.add_argument("--examples", type=int, default=200, help="requests per endpoint and phase, at most")
    parser.add_argument("--seed", type=int, default=1, help="chooses the requests")
    parser.add_argument("--seconds", type=float, default=RESPONSE_SECONDS, help="time that any response may take")
    parser.add_argument("--most", type=int, default=300, help="seconds of the whole run")
    options = parser.parse_args(arguments)
    print(f"sending odd requests to every endpoint of a server, for {options.most} s at most", flush=True)
    with tempfile.TemporaryDirectory() as folder, small_server(Path(folder)) as server:
        result = run(server, options.examples, options.seed, options.seconds, most=options.most)
    print(result.report)
    print(f"server process: {result.growth_mb:+.0f} MB (at most {MAX_GROWTH_MB})")
    return 0 if result.passed else 1


if __name__ == "__main__":
    sys.exit(main())
