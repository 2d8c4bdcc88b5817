"""A real server for tests: `python -m service` in its own process, on a free port of the loopback interface."""

import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.support.contract import undeclared
from tests.support.processes import start_python

SERVE = ("-m", "service")
PLAIN = ("-m", "uvicorn", "service.main:app")
"""The two ways to start a server; only the first limits connections."""

START_SECONDS = 60.0
END_SECONDS = 30.0


@dataclass(frozen=True)
class LiveServer:
    """A running server: its URL, process and log file."""

    url: str
    process: "subprocess.Popen[str]"
    log_file: Path
    trust: ssl.SSLContext | bool = True  # for https

    @property
    def log(self) -> str:
        """The log so far."""
        return self.log_file.read_text()

    def workers(self) -> list[psutil.Process]:
        """Return the worker processes that run now."""
        found = []
        for child in psutil.Process(self.process.pid).children():
            with suppress(psutil.NoSuchProcess):  # also raised for a zombie: a worker that was just killed
                if "service.worker" in " ".join(child.cmdline()):
                    found.append(child)
        return found

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the server."""
        self.process.send_signal(number)

    def metric(self, name: str) -> float:
        """Return the value of a metric: the sum of all series that have the labels in the name, if it includes any."""
        name, _, wanted = name.removesuffix("}").partition("{")
        lines = httpx.get(f"{self.url}/metrics", verify=self.trust).text.splitlines()
        found = [line for line in lines if line.startswith((f"{name} ", f"{name}{{"))]
        labels = wanted.split(",") if wanted else []
        values = [float(line.split()[-1]) for line in found if all(label in line for label in labels)]
        assert values, f"there is no metric {name}"
        return sum(values)


def launch(
    log_file: Path, settings: Mapping[str, object], command: Sequence[str] = SERVE, **options: Any
) -> tuple["subprocess.Popen[str]", str]:
    """Start a server; return its process and URL at once, before it is ready. options: of `start_python`."""
    with socket.socket() as listener, log_file.open("wb") as log:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as for a socket that uvicorn opens itself
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        inherited = listener.fileno()
        process = start_python(
            *command, "--fd", inherited, settings=settings, pass_fds=[inherited], stdout=log, stderr=log, **options
        )
        scheme = "https" if "tls_cert" in settings else "http"
        return process, f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def live_server(folder: Path, **settings: object) -> Iterator[LiveServer]:
    """Run a server for the length of the block; it is ready at the beginning and gets SIGTERM at the end."""
    with running(folder, settings) as server:
        yield server


@contextmanager
def running(
    folder: Path,
    settings: Mapping[str, object],
    command: Sequence[str] = SERVE,
    trust: ssl.SSLContext | bool = True,
    **options: Any,
) -> Iterator[LiveServer]:
    """Run a server that is started in another way; see `launch`. trust: the CA of its certificate."""
    log_file = folder / f"server-{time.monotonic_ns()}.log"
    process, url = launch(log_file, settings, command, **options)
    server = LiveServer(url, process, log_file, trust)
    try:
        wait_until_ready(server)
        yield server
    finally:
        if process.poll() is None:
            server.send(signal.SIGTERM)
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
    broken = undeclared(server.log)
    assert not broken, f"responses that the OpenAPI document does not declare: {broken}"


def failure(folder: Path, **settings: object) -> str:
    """Start a server with uvicorn that must not start; return the line that says why."""
    log_file = folder / "server.log"
    process, _ = launch(log_file, {"cache_dir": folder / "cache", "workers": 1, **settings}, PLAIN)
    try:
        status = process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
    log = log_file.read_text()
    assert status == 3, log
    assert "Traceback" not in log
    (line,) = [line for line in log.splitlines() if "cannot start: " in line]
    return line


def wait_until_ready(server: LiveServer) -> None:
    """Wait for `/readyz`. Raises RuntimeError with the log if the server exits or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise RuntimeError(f"the server exited with status {server.process.returncode}:\n{server.log}")
        try:
            if httpx.get(f"{server.url}/readyz", timeout=2.0, verify=server.trust).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise RuntimeError(f"the server is not ready after {START_SECONDS} s:\n{server.log}")


def until(reached: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until `reached()` is true; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, f"not reached within {seconds} s"
        time.sleep(0.05)
