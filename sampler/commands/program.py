"""What all command lines of the project share: errors in one line, and the name of the program."""

import io
import sys
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup

from sampler.errors import SamplerError
from sampler.printable import printable
from sampler.system_errors import limit_reached

CANNOT_RUN = 2
"""Exit status of a command that could not run."""


INTERRUPTED = 130
"""Exit status of a command that was interrupted with Ctrl-C."""


class _OneLineErrors:
    """Expected errors are one line on stderr instead of a traceback."""

    errors: ClassVar[tuple[type[Exception], ...]] = (SamplerError,)

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the program. Characters that the terminal cannot show are escaped: file names may have any."""
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        return super().main(*args, **options)  # type: ignore[misc] # of the class that this is mixed into

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)  # type: ignore[misc] # likewise
        except self.errors as error:
            raise _failed(str(error)) from error
        except (OSError, RuntimeError) as error:
            limit = limit_reached(error)
            if not limit:
                raise
            raise _failed(limit) from error


class OneLineErrors(_OneLineErrors, TyperGroup):
    """Commands whose expected errors are one line on stderr instead of a traceback."""


class OneLineErrorsCommand(_OneLineErrors, TyperCommand):
    """The only command of a program, with the same errors."""


def _failed(message: str) -> typer.Exit:
    typer.echo(f"error: {printable(' '.join(message.split()))}", err=True)
    return typer.Exit(CANNOT_RUN)


def run_program(app: typer.Typer, package: str, script: str) -> None:
    """Run a command line that was started as `python -m package`.

    Shells complete single words only, so shell completion is installed for the script of the package instead.
    """
    completing = any(word in ("--install-completion", "--show-completion") for word in sys.argv[1:])
    app(prog_name=script if completing else f"python -m {package}")
