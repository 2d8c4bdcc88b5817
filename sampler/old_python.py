"""One clear line for a Python that is too old.

This file and the `__init__.py` of each package, which calls it before anything else, must parse on every Python 3.
"""

import os
import sys

PROGRAMS = ("-m", "saccade-sampler", "saccade-client")
"""The first word of a command line of ours; Python writes "-m" there while it looks for the module to run."""


def refuse(version: "tuple[object, ...]", command_line: "list[str]") -> None:
    """End one of our programs with one line and status 2; raise ImportError in any other."""
    message = f"saccade-sampler needs Python 3.11 or newer; this is Python {version[0]}.{version[1]}, {sys.executable}"
    if command_line and os.path.basename(command_line[0]) in PROGRAMS:  # noqa: PTH119 # pathlib takes longer to load
        sys.stderr.write("error: " + message + "\n")
        sys.exit(2)
    raise ImportError(message)
