"""The process that an object with open connections belongs to."""

import os

from client.errors import ClientError


class ProcessOwner:
    """Remembers the process that used an object first, and refuses every other one.

    A fork inherits the sockets of its parent. If both read from one, each gets a part of what the other waits for; if
    one shuts it down, it is shut down for both.
    """

    def __init__(self, name: str) -> None:
        """name: of the object, for messages."""
        self._name = name
        self._process: int | None = None

    @property
    def here(self) -> bool:
        """Whether this process may use the object: it is the owner, or there is none yet."""
        return self._process in (None, os.getpid())

    def require(self) -> None:
        """Make this process the owner if there is none. Raises `ClientError` if another process is."""
        if not self.here:
            raise ClientError(f"this {self._name} belongs to process {self._process}: after a fork, make a new one")
        self._process = os.getpid()
