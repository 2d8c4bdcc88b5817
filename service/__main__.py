"""`python -m service`: the command `serve`."""

from sampler.cli.interrupts import ends_at_once

with ends_at_once():
    from sampler.cli.start import start
    from service.server.table import PROGRAM

if __name__ == "__main__":
    start(PROGRAM, started_as="python -m service", only="serve")
