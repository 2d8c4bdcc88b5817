"""Start a command program. Nothing here needs the extra `cli`, so a program without it can say so."""

import sys
from collections.abc import Sequence

from sampler.cli.errors import needs_extra, one_line_errors
from sampler.cli.interrupts import ends_at_once
from sampler.cli.table import Program


def start(program: Program, arguments: Sequence[str] | None = None, *, started_as: str = "", only: str = "") -> None:
    """Run a program to its end.

    Args:
        program: its commands.
        arguments: those of the command line (default: those of this process).
        started_as: what the help calls the program, if it is not the installed script: `python -m client`.
        only: run this command, without its name on the command line.

    Raises:
        SystemExit: always; see `sampler.cli.exit_status`.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    with one_line_errors():
        with ends_at_once(), needs_extra(program.name, _extra(program, words, only)):
            # Here, so that Ctrl-C during the import gives no traceback, and a missing package one line.
            from sampler.cli.group import run
        run(program, words, started_as or program.name, only)


def _extra(program: Program, words: Sequence[str], only: str) -> str:
    """Return the extra that the command to run needs; each of them includes what all commands need."""
    named = only or next((word for word in words if not word.startswith("-")), "")
    command = program.commands.get(named)
    return command.extra if command else "cli"
