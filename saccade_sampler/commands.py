"""The program `saccade-sampler`: the commands of `python -m sampler`, `serve` and `plan`."""

import sys

from service.interrupts import ends_at_once


def main() -> None:
    """Run the program."""
    try:
        with ends_at_once():
            # Here, so that Ctrl-C during the imports gives no traceback, and a missing package one line.
            from saccade_sampler.planning.command import plan  # also here
            from sampler.commands.cli import app
            from service.server.command import serve  # also here
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in ("sampler", "service"):
            raise
        sys.exit(f"error: saccade-sampler needs {error.name}: pip install 'saccade-sampler[server]'")
    app.command()(serve)
    app.command()(plan)
    app()
