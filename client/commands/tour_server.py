"""A sampling server of the tour's own, in a process of its own on a free port of this machine.

The client knows the server by its command line only: `uvicorn service.main:app`.
"""

import importlib.util
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from client.errors import MissingExtraError, ServerUnavailableError
from client.sync_client import SamplerClient

START_SECONDS = 300.0
"""Drawing the demo dataset takes some seconds, indexing a large annotation file some more."""
STOP_SECONDS = 20.0
"""More than the grace time that a server leaves by default to what is in flight."""
PATIENCE = 0.5

SERVER_PACKAGES = ("uvicorn", "fastapi")

PLACE = re.compile(r"^.*?saccade_sampler[.\w]*: |^[A-Z]+: +")
"""What a log line begins with: "<time> INFO [<request>] saccade_sampler.demo: ", or uvicorn's "INFO:     "."""

NO_NEWS = "Application startup failed. Exiting."
"""What uvicorn writes after the line that says why."""


@contextmanager
def own_server(log_file: Path, tell: Callable[[str], None]) -> Iterator[str]:
    """A server that is ready, by its URL; stopped with SIGTERM at the end, whatever ends the block.

    log_file: takes what the server writes. tell: called with the server's last line while it starts. SIGTERM to
    this process ends the block like Ctrl-C does. Raises `MissingExtraError` where the server is not installed,
    `ServerUnavailableError` where it does not start.
    """
    require_server()
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        process, url = _launch(log_file)
        try:
            _wait(process, url, log_file, tell)
            yield url
        finally:
            _stop(process)
    finally:
        signal.signal(signal.SIGTERM, before)


def require_server() -> None:
    """Raise `MissingExtraError`, which says what to install, where the server's packages are missing."""
    missing = [name for name in SERVER_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"{' and '.join(missing)} not installed: pip install 'saccade-sampler[server]' to start a server here, "
            "or give the URL of one that runs"
        )


def _launch(log_file: Path) -> tuple["subprocess.Popen[bytes]", str]:
    # The socket is bound here and inherited, so that no other process can take the port in between.
    with socket.socket() as listener, log_file.open("wb") as log:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        command = [sys.executable, "-m", "uvicorn", "service.main:app", "--fd", str(listener.fileno())]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[listener.fileno()]
        )
        return process, f"http://127.0.0.1:{listener.getsockname()[1]}"


def _wait(process: "subprocess.Popen[bytes]", url: str, log_file: Path, tell: Callable[[str], None]) -> None:
    deadline = time.monotonic() + START_SECONDS
    with SamplerClient(url, timeout=PATIENCE, attempts=1) as client:
        while not client.ready():
            if process.poll() is not None:
                raise ServerUnavailableError(
                    f"the server ended with status {process.returncode}: {last_line(log_file) or 'it wrote nothing'} "
                    f"(all of it is in {log_file})"
                )
            if time.monotonic() > deadline:
                raise ServerUnavailableError(f"the server is not ready after {START_SECONDS:g} s; see {log_file}")
            tell(last_line(log_file))
            time.sleep(PATIENCE / 10)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except BaseException:  # a second Ctrl-C, or a server that does not listen: leave nothing behind, then go on
        process.kill()
        process.wait()
        raise


def last_line(log_file: Path) -> str:
    """Return the message of the last line that a server wrote to its log, without time and place; or nothing."""
    lines = [PLACE.sub("", line) for line in log_file.read_text(errors="replace").splitlines() if line.strip()]
    return next((line for line in reversed(lines) if line != NO_NEWS), "")


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt
