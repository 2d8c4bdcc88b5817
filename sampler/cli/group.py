"""Programs as Typer sees them: commands that are imported when they are needed, and errors in one line."""

import importlib
import io
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from sampler.cli.errors import CommandError, failed, needs_extra, one_line_errors
from sampler.cli.exit_status import CANNOT_RUN, EXPLANATION
from sampler.cli.interrupts import ends_at_once
from sampler.cli.stdout import flushed_stdout
from sampler.cli.table import Command, Program
from sampler.version import VERSION


def run(program: Program, arguments: Sequence[str], name: str, only: str = "") -> None:
    """Run a program, called `name` in its help, to its end; see `start`."""
    if only and list(arguments) != ["--version"]:
        command = load_command(f"{program.name} {only}", only, program.commands[only])
        command.main(arguments, prog_name=name)
    if any(word in ("--install-completion", "--show-completion") for word in arguments):
        _set_up_completion(program, arguments)
    get_command(app_of(program)).main(arguments, prog_name=name)


def app_of(program: Program) -> typer.Typer:
    """Return a program as an app of Typer."""

    class Commands(_Program, TyperGroup):
        """The commands of the program."""

        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            for name, command in program.commands.items():
                self.add_command(_LazyCommand(program.name, name, command))

    app = typer.Typer(
        cls=Commands,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        help=program.help,
        epilog=EXPLANATION,
    )

    @app.callback()
    def options(
        version: Annotated[
            bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
        ] = False,
    ) -> None:
        """Options of the program itself."""

    return app


def _set_up_completion(program: Program, arguments: Sequence[str]) -> None:
    # Shells complete the names of programs, not `python -m …`: completion is always set up for the script.
    try:
        get_command(app_of(program)).main(arguments, prog_name=program.name)
    except SystemExit as ended:
        if ended.code == 1:  # Typer has said that it does not know this shell
            raise SystemExit(CANNOT_RUN) from None
        raise


def load_command(program: str, name: str, command: Command) -> TyperCommand:
    """Import the module of a command and return it.

    Raises CommandError if a package that the module needs is not installed.
    """
    with ends_at_once(), needs_extra(program, command.extra):
        function = getattr(importlib.import_module(command.module), command.function)

    class Loaded(_Program, TyperCommand):
        """The command."""

        def invoke(self, ctx: Any) -> Any:
            with needs_extra(program, command.extra):
                return super().invoke(ctx)

    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(name, cls=Loaded)(function)
    loaded = get_command(app)
    assert isinstance(loaded, TyperCommand)
    return loaded


class _Program:
    """Errors are one line on stderr: those of the command line, expected ones, and limits of the system."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the program. Characters that the terminal cannot show are escaped: file names may have any."""
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        with one_line_errors(), flushed_stdout():
            try:
                status = super().main(*args, **options, standalone_mode=False)  # type: ignore[misc] # mixed in
            except typer.TyperException as error:
                raise _usage_error(error) from error
        sys.exit(status if isinstance(status, int) else 0)


class _LazyCommand(TyperCommand):
    """A command in a list of commands; the command itself is loaded to run it, for its help and for completion."""

    def __init__(self, program: str, name: str, command: Command) -> None:
        super().__init__(name, help=command.help)
        self._program = f"{program} {name}"
        self._command = command

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Return the context of the loaded command, which then runs instead of this one."""
        try:
            loaded = load_command(self._program, str(self.name), self._command)
        except CommandError:
            if not extra.get("resilient_parsing"):
                raise
            return super().make_context(info_name, args, parent, **extra)  # a shell would show an error in its prompt
        return loaded.make_context(info_name, args, parent, **extra)


def _usage_error(error: typer.TyperException) -> SystemExit:
    message = error.format_message()
    if not message:  # the help was printed, because there were no arguments
        return SystemExit(error.exit_code)
    context = getattr(error, "ctx", None)
    return failed(f"{message.rstrip('.')}; see `{context.command_path} --help`" if context else message)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"saccade-sampler {VERSION}")
        raise typer.Exit
