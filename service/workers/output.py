"""What workers write to stderr, as lines of the server's log: crashes, and warnings of libraries."""

import asyncio
import logging
import os

log = logging.getLogger("saccade_sampler.workers")

LONGEST = 8192
"""Most bytes of a line; a longer one is split."""


class WorkerOutput:
    """One pipe for all workers. Lines that two of them write at the same moment may be mixed up."""

    def __init__(self) -> None:
        """Create the pipe. Raises OSError."""
        self._read, self.descriptor = os.pipe()
        os.set_blocking(self._read, False)
        self._rest = b""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._read, self._log_lines)

    def close(self) -> None:
        """Log what is left. Call it when the workers have ended."""
        self._loop.remove_reader(self._read)
        os.close(self.descriptor)
        while self._log_lines():
            pass
        self._log(self._rest)
        os.close(self._read)

    def _log_lines(self) -> bool:
        """Log what there is, up to a limit; return whether there was anything."""
        try:
            data = os.read(self._read, LONGEST)
        except BlockingIOError:
            return False
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._log(line)
        if len(self._rest) >= LONGEST:
            self._log(self._rest)
            self._rest = b""
        return bool(data)

    def _log(self, line: bytes) -> None:
        if line.strip():
            log.warning("%s", line.decode(errors="backslashreplace").rstrip())
