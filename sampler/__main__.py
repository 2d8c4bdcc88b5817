"""`python -m sampler`."""

from sampler.cli.interrupts import ends_at_once

with ends_at_once():
    from sampler.cli.start import start
    from sampler.commands.table import PROGRAM

if __name__ == "__main__":
    start(PROGRAM, started_as="python -m sampler")
