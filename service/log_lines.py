"""Lines of the server's log, as text or JSON: each message is one line, whatever it quotes."""

import contextvars
import json
import logging
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal, Self

from sampler.printable import indented, printable

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="-")
"""The id of the request that is being served."""

FORMAT = "%(asctime)s %(levelname)-7s [%(request_id)s] %(name)s: %(message)s"

LogFormat = Literal["text", "json"]

LOGGERS = ("saccade_sampler", "uvicorn", "asyncio", "py.warnings")
"""The loggers whose handlers write lines of this form."""

MAX_ADDRESS = 64
"""Most characters in the log of a client's address."""

HIDDEN = "[hidden]"
"""Stands for a text that no line shows."""

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

    def __init__(self, template: str = FORMAT, hidden: str | None = None) -> None:
        """hidden: text that no line shows."""
        super().__init__(template)
        self._template = template
        self._hidden = hidden

    def hiding(self, secret: str) -> Self:
        """Return the same formatter, which hides a text."""
        return type(self)(self._template, secret)

    def format(self, record: logging.LogRecord) -> str:
        lines = super().format(record)
        return lines.replace(self._hidden, HIDDEN) if self._hidden else lines

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is that of the base class
        record.message = printable(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: ExceptionInfo) -> str:  # noqa: N802 - the name is that of the base class
        return indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802 - the name is that of the base class
        return indented(stack_info)


class JsonFormatter(logging.Formatter):
    """Makes each message a JSON object in one line, with the numbers of `fields(…)` as members."""

    def __init__(self, hidden: str | None = None) -> None:
        """hidden: text that no line shows."""
        super().__init__()
        self._hidden = None if hidden is None else json.dumps(hidden)[1:-1]

    def hiding(self, secret: str) -> Self:
        """Return the same formatter, which hides a text."""
        return type(self)(secret)

    def format(self, record: logging.LogRecord) -> str:
        document = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "request_id": getattr(record, "request_id", "-"),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            document["stack"] = record.stack_info
        line = json.dumps(document, default=str)
        return line.replace(self._hidden, HIDDEN) if self._hidden else line


def fields(request: str | None = None, **values: object) -> dict[str, object]:
    """Return the `extra` of a message that has values as members in JSON.

    request: id of the request that the message belongs to, if it is not the one that is being served.
    """
    return {"fields": values} | ({} if request is None else {"request_id": request})


def add_request_id(record: logging.LogRecord) -> bool:
    """Note which request a record belongs to; a filter that drops nothing."""
    if not hasattr(record, "request_id"):
        record.request_id = request_id.get()
    return True


def configure(level: str, log_format: LogFormat = "text") -> None:
    """Set up the loggers of a server process. uvicorn's lines get the same form, and its access log is replaced."""
    logger = logging.getLogger("saccade_sampler")
    logger.setLevel(level.upper())
    if not logger.handlers:
        logger.addHandler(logging.StreamHandler())
        logger.propagate = False
    for handler in _handlers():
        handler.setFormatter(JsonFormatter() if log_format == "json" else OneLineFormatter())
        handler.addFilter(add_request_id)
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("uvicorn.error").addFilter(_is_unexpected)


def hide(secret: str) -> None:
    """Replace a text in every line that the loggers write from now on."""
    for handler in _handlers():
        if isinstance(handler.formatter, OneLineFormatter | JsonFormatter):
            handler.setFormatter(handler.formatter.hiding(secret))


def _handlers() -> list[logging.Handler]:
    return list(dict.fromkeys(handler for name in LOGGERS for handler in logging.getLogger(name).handlers))


_EXPECTED = ("returned without completing response", "Unsupported upgrade request", "No supported WebSocket library")
"""Messages of uvicorn about responses that are incomplete on purpose, whose own line says why, and about WebSockets."""


def _is_unexpected(record: logging.LogRecord) -> bool:
    message = record.getMessage()
    return not any(text in message for text in _EXPECTED)
