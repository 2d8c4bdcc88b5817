"""The log of the loader worker, which the trainer writes: only its logging is set up as the user wants."""

import logging
from collections.abc import Mapping
from contextlib import suppress

from client.loading.messages import LogLine, encode
from sampler.ipc.frames import FrameSocket

MOST_LINES = 32
"""Lines that are sent before the trainer is heard of again. More could fill the socket and block the worker, because
the trainer reads only while it waits for a batch."""

MOST_CHARACTERS = 2_000
"""Characters of a line that are sent."""


class LogForwarding(logging.Handler):
    """Sends lines to the trainer as text, and counts those that are too many."""

    def __init__(self, trainer: FrameSocket) -> None:
        super().__init__()
        self._trainer = trainer
        self._left = MOST_LINES
        self._dropped = 0

    def install(self, levels: Mapping[str, int]) -> None:
        """Send what loggers write to the trainer, and nowhere else.

        levels: of each logger, by its name, as in the trainer.
        """
        for name, level in levels.items():
            logger = logging.getLogger(name)
            logger.setLevel(level)
            logger.addHandler(self)
            logger.propagate = False

    def allow_more(self) -> None:
        """The trainer has read what was sent before its last message."""
        self._left = MOST_LINES

    def emit(self, record: logging.LogRecord) -> None:
        """Send a line."""
        if not self._left:
            self._dropped += 1
            return
        self._left -= 1
        dropped, self._dropped = self._dropped, 0
        if dropped:
            text = f"the loader's process left out {dropped} lines of its log, because there were too many"
            self._send(LogLine(record.name, logging.WARNING, text))
        self._send(LogLine(record.name, record.levelno, self.format(record)[:MOST_CHARACTERS]))

    def _send(self, line: LogLine) -> None:
        with suppress(ConnectionError):  # the trainer is gone, which ends this process
            self._trainer.send(encode(line))
