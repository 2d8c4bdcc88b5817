"""Resources that a server needs."""

from dataclasses import dataclass

SERVER_BYTES = 55_000_000
WORKER_BYTES = 40_000_000
"""Memory of the server's process, and of each worker, without the arena: see the page Serving."""


@dataclass(frozen=True, slots=True)
class ServerNeeds:
    """Bytes and processes of a server.

    Attributes:
        workers: Worker processes.
        arena: Shared memory for samples, with a reserve for each request.
        image_cache: Shared memory for decoded images.
        warm: Part of the arena that is used as soon as the server is ready.
    """

    workers: int
    arena: int
    image_cache: int
    warm: int

    @property
    def shared(self) -> int:
        """Bytes of shared memory."""
        return self.arena + self.image_cache

    @property
    def processes(self) -> int:
        """Bytes of all processes, without shared memory."""
        return SERVER_BYTES + self.workers * WORKER_BYTES

    @property
    def at_start(self) -> int:
        """Bytes of memory that are used as soon as the server is ready."""
        return self.warm + self.processes

    @property
    def most(self) -> int:
        """Bytes of memory once everything has been used."""
        return self.shared + self.processes
