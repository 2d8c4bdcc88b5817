"""The commands of `python -m sampler` as an app of Typer, for tests that run them in their process or prepare one."""

from sampler.cli.group import app_of
from sampler.commands.table import PROGRAM

app = app_of(PROGRAM)
