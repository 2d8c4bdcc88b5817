"""The log of the loader worker, which the trainer writes: only its logging is set up as the user wants."""

import logging
from collections.abc import Mapping
from contextlib import suppress

from client.loading.messages import LogLine, encode
from sampler.ipc.frames import FrameSocket

MOST_LINES = 32
"""Lines that are sent before the trainer is heard of again. More could fill the socket and block the worker, because
the trainer reads only while it waits for a batch."""

MOST_BYTES = 2_000
"""Bytes of a line that are sent, in UTF-8."""


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
        """Send a line. If that fails, it is reported on stderr as for every handler."""
        try:
            self._forward(record)
        except Exception:  # noqa: BLE001 - a log line must not end the training
            self.handleError(record)

    def _forward(self, record: logging.LogRecord) -> None:
        if not self._left:
            self._dropped += 1
            return
        line = LogLine(record.name, record.levelno, _shortened(self.format(record)))
        self._left -= 1
        dropped, self._dropped = self._dropped, 0
        if dropped:
            text = f"lines left out of the log of the loader's process, because there were too many: {dropped}"
            self._send(LogLine(record.name, logging.WARNING, text))
        self._send(line)

    def _send(self, line: LogLine) -> None:
        with suppress(ConnectionError):  # the trainer is gone, which ends this process
            self._trainer.send(encode(line))


def _shortened(text: str) -> str:
    return text.encode("utf-8", "backslashreplace")[:MOST_BYTES].decode("utf-8", "ignore")
