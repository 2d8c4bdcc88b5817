"""The log of a process that is a server and nothing else: all of its output has one form, from the first line on."""

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from sampler.cli.exit_status import CANNOT_RUN
from sampler.errors import SamplerError
from service.log_lines import LOGGERS, LogFormat, configure
from service.settings.load import load_settings
from service.settings.server import PREFIX

log = logging.getLogger("saccade_sampler")


def take_over(level: str, log_format: LogFormat) -> None:
    """Write the messages of all loggers that a server uses, warnings and unexpected errors in one form to stderr."""
    handler = logging.StreamHandler()
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
    logging.captureWarnings(True)
    sys.excepthook = _log_exception
    configure(level, log_format)


def take_over_early(options: Mapping[str, Any] | None = None) -> None:
    """Do the same before the settings are known to be valid. options: settings of the command line, by field."""
    try:
        settings = load_settings(options)
    except SamplerError:  # reported by the code that needs the settings
        take_over("info", format_before_settings(options or {}))
        return
    take_over(settings.log_level, settings.log_format)


def format_before_settings(options: Mapping[str, Any]) -> LogFormat:
    """Return the form of lines as far as it is known without all settings."""
    wanted = options.get("log_format") or os.environ.get(f"{PREFIX}LOG_FORMAT")
    return "json" if wanted == "json" else "text"


@contextmanager
def errors_in_one_form(log_format: LogFormat) -> Iterator[None]:
    """In a log of JSON, log an expected error of the block and end the process; else leave it to the command."""
    try:
        yield
    except SamplerError as error:
        if log_format == "text":
            raise
        log.critical("cannot start: %s", error)
        raise SystemExit(CANNOT_RUN) from error


def _log_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    log.critical("unexpected error", exc_info=(kind, error, trace))
