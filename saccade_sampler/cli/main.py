"""The entry point of the program `saccade-sampler`."""

from sampler.cli.interrupts import ends_at_once

with ends_at_once():
    from saccade_sampler.cli.table import PROGRAM
    from sampler.cli.start import start


def main() -> None:
    """Run the program."""
    start(PROGRAM)
