"""The end of stdout: closed by its reader, or on a full disk."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sampler.cli.exit_status import OUTPUT_CLOSED


@contextmanager
def flushed_stdout() -> Iterator[None]:
    """Write what the block prints before the process ends, so that a failure counts.

    Raises:
        SystemExit: with OUTPUT_CLOSED, if the reader has closed the pipe, as `head` does.
        OSError: stdout cannot be written.
    """
    try:
        try:
            yield
        finally:
            _flush()
    except (OSError, SystemExit) as error:
        # Typer and Rich exit with 1, which means findings.
        if isinstance(error, BrokenPipeError) or isinstance(error.__context__, BrokenPipeError):
            raise SystemExit(OUTPUT_CLOSED) from None
        raise


def _flush() -> None:
    try:
        print(end="", flush=True)
    except OSError:
        sys.stdout = io.StringIO()  # else Python tries again at exit, and prints that it cannot
        raise
