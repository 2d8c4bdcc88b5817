"""`python -m saccade_sampler`: the program `saccade-sampler`."""

from sampler.cli.interrupts import ends_at_once

with ends_at_once():
    from saccade_sampler.cli.table import PROGRAM
    from sampler.cli.start import start

if __name__ == "__main__":
    start(PROGRAM, started_as="python -m saccade_sampler")
