"""The command line `python -m sampler`.

Exit status: 0 success, 1 the data has faults (`verify`, `decode`, `index --hash-images`), 2 the command could not run
(one line on stderr says why), 130 `decode` was interrupted.
"""

import typer

from sampler.commands.config import config
from sampler.commands.decode import decode
from sampler.commands.index import index
from sampler.commands.program import OneLineErrors
from sampler.commands.recipe import recipe, replay
from sampler.commands.verify import verify

app = typer.Typer(
    cls=OneLineErrors,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Training samples of the CornerNet family: their server, datasets, configs, recipes and replays.",
)

for command in (index, decode, config, recipe, replay, verify):
    app.command()(command)
