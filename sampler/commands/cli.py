"""The commands of `python -m sampler`.

Exit status: 0 as asked, 1 the data is not in order (`verify`, `decode`), 2 could not run: then one line on stderr says
why. 130: `decode` was interrupted.
"""

from typing import Any

import typer
from typer.core import TyperGroup

from sampler.commands.dataset import index, verify
from sampler.commands.decode import decode
from sampler.commands.recipe import recipe, replay
from sampler.errors import SamplerError

CANNOT_RUN = 2


class OneLineErrors(TyperGroup):
    """Commands whose errors are one line on stderr and never a stack trace."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command."""
        try:
            return super().main(*args, **kwargs)
        except SamplerError as error:
            typer.echo(f"error: {error}", err=True)
            raise SystemExit(CANNOT_RUN) from error


app = typer.Typer(
    cls=OneLineErrors,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Training samples of the CornerNet family: datasets, recipes and replays.",
)

for command in (index, decode, recipe, replay, verify):
    app.command()(command)
