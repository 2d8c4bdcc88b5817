"""The threads of a client of several servers: of attempts, probes and streams."""

import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

from client.errors import ClientError


class Threads:
    """Starts the threads of a client and waits for them. Takes no lock."""

    def __init__(self) -> None:
        self._started: set[threading.Thread] = set()

    def start(self, name: str, work: Callable[..., object], *arguments: Any) -> None:
        """Call a function in a new thread. Raises `ClientError` if no thread can be started."""
        for thread in self._started.copy():
            if not thread.is_alive():
                self._started.discard(thread)
        thread = threading.Thread(target=work, args=arguments, daemon=True, name=name)
        try:
            thread.start()
        except RuntimeError as error:
            raise ClientError(f"no thread to {name}: {error}: expected fewer threads in this container") from error
        self._started.add(thread)

    def join(self, seconds: float) -> None:
        """Wait for the end of all threads but this one, up to a limit."""
        until = monotonic() + seconds
        for thread in self._started.copy() - {threading.current_thread()}:
            thread.join(max(0.0, until - monotonic()))
