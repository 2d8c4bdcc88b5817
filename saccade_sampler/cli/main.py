"""The entry point of the program `saccade-sampler`."""

from saccade_sampler.cli.table import PROGRAM
from sampler.cli.start import start


def main() -> None:
    """Run the program."""
    start(PROGRAM)
