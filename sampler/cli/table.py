"""The table of a program's commands. A command's module is imported only when the command runs or shows its help."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a program.

    Attributes:
        module: the module of its function.
        function: the function's name.
        help: what it does, in one line; the same as the first line of the function's docstring.
        extra: what to install if a package is missing: `pip install 'saccade-sampler[EXTRA]'`.
    """

    module: str
    function: str
    help: str
    extra: str


@dataclass(frozen=True, slots=True)
class Program:
    """Commands under one name.

    Attributes:
        name: the installed script, for which shell completion is set up.
        help: what the commands are for, in one line.
        commands: by name, in the order of the help.
    """

    name: str
    help: str
    commands: Mapping[str, Command]
