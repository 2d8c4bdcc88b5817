"""A sampling server for the tour, in its own process on a free port of this machine.

It is started by its command line, `python -m service`: the client imports nothing of the server.
"""

import importlib.util
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from client.errors import MissingExtraError, ServerUnavailableError
from client.sync_client import SamplerClient

START_SECONDS = 300.0
"""Drawing the demo dataset takes some seconds, indexing a large annotation file longer."""
STOP_SECONDS = 20.0
"""More than the server's default grace time for requests in progress."""
POLL_SECONDS = 0.05
PROBE_TIMEOUT = 0.5

SERVER_PACKAGES = ("uvicorn", "fastapi")

LOG_PREFIX = re.compile(r"^.*?\b(?:saccade_sampler|uvicorn)[.\w]*: |^[A-Z]+: +")
"""The beginning of a log line: "<time> INFO [<request>] saccade_sampler.demo: ", or uvicorn's "INFO:     " before the
log is set up."""

UNINFORMATIVE = "Application startup failed. Exiting."
"""uvicorn logs it after the line with the cause."""


@dataclass(frozen=True, slots=True)
class OwnServer:
    """A server on this machine. pid: of its main process."""

    url: str
    pid: int


def require_server_packages() -> None:
    """Raise MissingExtraError unless a server can be started here."""
    missing = [name for name in SERVER_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"{' and '.join(missing)} not installed: pip install 'saccade-sampler[server]' to start a server here, "
            "or give the URL of a running one"
        )


@contextmanager
def own_server(
    log_file: Path, tell: Callable[[str], None], variables: Mapping[str, str] | None = None
) -> Iterator[OwnServer]:
    """Run a server for the `with` block and yield it once it is ready; stop it with SIGTERM at the end.

    SIGTERM to this process ends the block like Ctrl-C.

    Args:
        log_file: Gets the server's output.
        tell: Called with the server's last line while it starts.
        variables: The server's environment (default: that of this process).
    """
    require_server_packages()
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        process, url = _launch(log_file, variables)
        try:
            _wait(process, url, log_file, tell)
            yield OwnServer(url, process.pid)
        finally:
            _stop(process)
    finally:
        signal.signal(signal.SIGTERM, before)


def last_line(log_file: Path) -> str:
    """Return the last line of a server's log without time and logger name; empty if there is none."""
    lines = [LOG_PREFIX.sub("", line) for line in log_file.read_text(errors="replace").splitlines() if line.strip()]
    return next((line for line in reversed(lines) if line != UNINFORMATIVE), "")


def _launch(log_file: Path, variables: Mapping[str, str] | None) -> tuple["subprocess.Popen[bytes]", str]:
    # The server inherits a bound socket, so that no other process can take the port in between.
    with socket.socket() as listener, log_file.open("wb") as log:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        command = [sys.executable, "-m", "service", "--fd", str(listener.fileno())]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[listener.fileno()], env=variables
        )
        return process, f"http://127.0.0.1:{listener.getsockname()[1]}"


def _wait(process: "subprocess.Popen[bytes]", url: str, log_file: Path, tell: Callable[[str], None]) -> None:
    deadline = time.monotonic() + START_SECONDS
    with SamplerClient(url, timeout=PROBE_TIMEOUT, attempts=1) as client:
        while not client.ready():
            if process.poll() is not None:
                cause = last_line(log_file) or "it wrote nothing"
                message = f"the server exited with status {process.returncode}: {cause} (full log: {log_file})"
                raise ServerUnavailableError(message)
            if time.monotonic() > deadline:
                raise ServerUnavailableError(f"the server is not ready after {START_SECONDS:g} s; see {log_file}")
            tell(last_line(log_file))
            time.sleep(POLL_SECONDS)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except BaseException:  # a second Ctrl-C, or a server that does not stop: leave no process behind
        process.kill()
        process.wait()
        raise


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt
