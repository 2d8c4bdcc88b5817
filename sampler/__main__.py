"""`python -m sampler`."""

from sampler.cli.start import start
from sampler.commands.table import PROGRAM

if __name__ == "__main__":
    start(PROGRAM, started_as="python -m sampler")
