"""Lines of the server's log: each message is one line, whatever it quotes."""

import contextvars
import logging
from types import TracebackType

from sampler.printable import indented, printable
from service.access.urls import HIDDEN

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="-")
"""The id of the request that is being served."""

FORMAT = "%(asctime)s %(levelname)-7s [%(request_id)s] %(name)s: %(message)s"

LOGGERS = ("saccade_sampler", "uvicorn")
"""The loggers whose handlers write lines of this form."""

ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def one_word(text: str, longest: int) -> str:
    r"""Return `text` without spaces, cut to `longest` characters, so that a line has the same fields for every request.

    Spaces are escaped as \x20, backslashes as two; an empty text is "-".
    """
    if not (text.isprintable() and text.isascii()) or " " in text or "\\" in text:
        text = printable(text.replace("\\", r"\\")).replace(" ", r"\x20")
    return (text if len(text) <= longest else text[:longest] + "…") or "-"


class OneLineFormatter(logging.Formatter):
    """Makes each message one line. Stack traces follow on indented lines, so that none looks like a message."""

    def __init__(self, template: str, hidden: str | None = None) -> None:
        """hidden: text that no line shows."""
        super().__init__(template)
        self._hidden = hidden

    def format(self, record: logging.LogRecord) -> str:
        lines = super().format(record)
        return lines.replace(self._hidden, HIDDEN) if self._hidden else lines

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is that of the base class
        record.message = printable(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: ExceptionInfo) -> str:  # noqa: N802 - likewise
        return indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802 - likewise
        return indented(stack_info)


def add_request_id(record: logging.LogRecord) -> bool:
    """Note which request a record belongs to; a filter that drops nothing."""
    record.request_id = request_id.get()
    return True


def configure(level: str) -> None:
    """Set up the loggers of a server process. uvicorn's lines get the same form, and its access log is replaced."""
    logger = logging.getLogger("saccade_sampler")
    logger.setLevel(level.upper())
    if not logger.handlers:
        logger.addHandler(logging.StreamHandler())
        logger.propagate = False
    for handler in _handlers():
        handler.setFormatter(OneLineFormatter(FORMAT))
        handler.addFilter(add_request_id)
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("uvicorn.error").addFilter(_is_unexpected)


def hide(secret: str) -> None:
    """Replace a text in every line that the loggers write from now on."""
    for handler in _handlers():
        handler.setFormatter(OneLineFormatter(FORMAT, secret))


def _handlers() -> list[logging.Handler]:
    return [handler for name in LOGGERS for handler in logging.getLogger(name).handlers]


_EXPECTED = ("returned without completing response", "Unsupported upgrade request", "No supported WebSocket library")
"""Messages of uvicorn about responses that are incomplete on purpose, whose own line says why, and about WebSockets."""


def _is_unexpected(record: logging.LogRecord) -> bool:
    message = record.getMessage()
    return not any(text in message for text in _EXPECTED)
