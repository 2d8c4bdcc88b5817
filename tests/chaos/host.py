"""One host of a world: a server under its supervisor, and the proxy through which the trainer reaches it."""

from pathlib import Path

import psutil

from tests.chaos.dataset import ServedFiles
from tests.chaos.proxy import Proxy
from tests.chaos.server import Supervisor


class Host:
    """A server and its proxy.

    Attributes:
        files: that the server serves. Each host has its own annotations.
        servers: in the order of their start; the proxy forwards to the last one.
        label: for reports; "" for the only host of a world.
    """

    def __init__(self, files: ServedFiles, folder: Path, label: str = "", workers: int = 2) -> None:
        self.files = files
        self.label = label
        self._folder = folder
        self._workers = workers
        self.servers = [self._new_server()]
        self.proxy = Proxy(self.server.port)

    @property
    def server(self) -> Supervisor:
        """The server that the proxy forwards to."""
        return self.servers[-1]

    @property
    def log(self) -> str:
        """What all servers wrote to stdout and stderr."""
        return "".join(server.log for server in self.servers)

    def move(self) -> bool:
        """Go on with another server, as on another host: with another port and an empty cache folder.

        Returns whether it became ready. The one before is ended then.
        """
        before = self.server
        after = self._new_server(len(self.servers))
        self.servers.append(after)
        ready = after.start()
        self.proxy.target = after.port
        before.stop()
        return ready

    def targets(self, name: str) -> list[psutil.Process]:
        """Return the processes that run now of the server ("server") or its workers ("worker")."""
        if name == "worker":
            return self.server.workers()
        process = self.server.process()
        return [] if process is None else [process]

    def end(self) -> None:
        """End the server and all connections."""
        self.server.stop()
        self.proxy.__exit__(None, None, None)

    def kill(self) -> None:
        """End all servers at once."""
        for server in self.servers:
            server.kill()

    def _new_server(self, number: int = 0) -> Supervisor:
        files = self.files
        paths = {"annotations": files.annotations, "images": files.images, "config": files.config}
        settings = {**paths, "workers": self._workers, "buffer_mb": 64, "grace_seconds": 2}
        name = f"{self.label.replace(' ', '-')}-{number}" if self.label else str(number)
        return Supervisor(self._folder / f"server-{name}.log", self._folder / f"cache-{name}", settings)
