"""Expected errors of commands, as one line on stderr."""

import errno
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sampler.cli.exit_status import CANNOT_RUN, INTERRUPTED
from sampler.errors import InvalidRequestError, SamplerError
from sampler.printable import printable, shown
from sampler.system_errors import explain, limit_reached

OURS = ("saccade_sampler", "sampler", "service", "client")

_NOT_WRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


class CommandError(SamplerError):
    """A command cannot run or cannot finish. The message says why and what to do."""


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the process with one line on stderr if the block raises an error that commands expect.

    These are any SamplerError, a limit of the system, and a full or failing disk. Ctrl-C ends the process without one.
    """
    try:
        yield
    except InvalidRequestError as error:
        raise failed(_on_the_command_line(error)) from error
    except SamplerError as error:
        raise failed(str(error)) from error
    except (OSError, RuntimeError) as error:
        cause = cause_in_the_system(error)
        if not cause:
            raise
        raise failed(cause) from error
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None


def cause_in_the_system(error: Exception) -> str:
    """Return cause and remedy if a limit of the system was reached or a disk is full or fails, else ""."""
    if isinstance(error, OSError) and error.errno in _NOT_WRITTEN:
        return explain(error, "", "write the output elsewhere")
    return limit_reached(error)


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
    """Print an error in one line. Return the SystemExit to raise."""
    one_line = re.sub(r"\s*\n\s*", " ", message.strip())
    print(f"error: {printable(one_line)}", file=sys.stderr)
    return SystemExit(CANNOT_RUN)


def _on_the_command_line(error: InvalidRequestError) -> str:
    """Return the message with the name of the option, such as --batch-size for `batch_size`."""
    field = error.field
    option = field if field.isupper() else f"--{field.replace('_', '-')}"  # URL is no option
    given = "is not given" if error.value is None else f"= {shown(error.value)}"
    return f"{option} {given}: expected {error.expected}"
