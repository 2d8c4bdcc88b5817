"""The server under a supervisor, which starts it again whenever it ends."""

import socket
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx
import psutil

from tests.support.live_server import LiveServer
from tests.support.processes import start_python

RESTART_SECONDS = 0.2
"""Time until the supervisor starts a server that has ended."""

END_SECONDS = 20.0
READY_SECONDS = 240.0


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Supervisor:
    """Keeps a server running on one port."""

    def __init__(self, log_file: Path, cache: Path, settings: dict[str, object]) -> None:
        self.port = free_port()
        self.cache = cache
        self.starts = 0
        self._log_file = log_file
        self._settings = {**settings, "cache_dir": cache}
        self._process: subprocess.Popen[str] | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self._log_file.read_text()

    def start(self) -> bool:
        """Start the server; return whether it became ready in time."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._supervise, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + READY_SECONDS
        while not (ready := self.is_ready()) and time.monotonic() < deadline:
            time.sleep(RESTART_SECONDS)
        return ready

    def stop(self) -> None:
        """End the server as a service manager does, and start no other."""
        self._stopping.set()
        process = self.process()
        if process is not None:
            process.terminate()
            try:
                process.wait(END_SECONDS)
            except psutil.TimeoutExpired:
                process.kill()
        if self._thread is not None:
            self._thread.join()

    def kill(self) -> None:
        """End the server at once, and start no other."""
        self._stopping.set()
        process = self.process()
        if process is not None:
            process.kill()

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=2.0).status_code == 200
        except httpx.TransportError:
            return False

    def process(self) -> psutil.Process | None:
        """Return the server's process, if one runs."""
        running = self._process
        if running is None or running.returncode is not None:
            return None
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(running.pid)
        return None

    def workers(self) -> list[psutil.Process]:
        """Return the processes of the server's workers."""
        running = self._process
        if running is None:
            return []
        with suppress(psutil.NoSuchProcess):
            return LiveServer(self.url, running, self._log_file).workers()
        return []

    def _supervise(self) -> None:
        while not self._stopping.is_set():
            with self._log_file.open("ab") as log:
                arguments = ["-m", "service", "--port", self.port]
                self._process = start_python(
                    *arguments, settings=self._settings, coverage=False, stdout=log, stderr=log
                )
            self.starts += 1
            self._process.wait()
            time.sleep(RESTART_SECONDS)
