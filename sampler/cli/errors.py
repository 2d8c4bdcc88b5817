"""Expected errors of commands, as one line on stderr."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sampler.cli.exit_status import CANNOT_RUN
from sampler.errors import SamplerError
from sampler.printable import printable
from sampler.system_errors import limit_reached

OURS = ("saccade_sampler", "sampler", "service", "client")


class CommandError(SamplerError):
    """A command cannot run or cannot finish. The message says why and what to do."""


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the process with one line on stderr if the block raises a SamplerError or reaches a limit of the system."""
    try:
        yield
    except SamplerError as error:
        raise failed(str(error)) from error
    except (OSError, RuntimeError) as error:
        limit = limit_reached(error)
        if not limit:
            raise
        raise failed(limit) from error


@contextmanager
def needs_extra(what: str, extra: str) -> Iterator[None]:
    """Raise CommandError with the extra to install if a package that the block imports is not installed.

    what: what needs the package, such as `saccade-sampler index`.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        if package in OURS:
            raise
        raise CommandError(
            f"{what} needs {package}, which is not installed: pip install 'saccade-sampler[{extra}]'"
        ) from error


def failed(message: str) -> SystemExit:
    """Print an error in one line. Return what ends the process with it."""
    print(f"error: {printable(' '.join(message.split()))}", file=sys.stderr)
    return SystemExit(CANNOT_RUN)
