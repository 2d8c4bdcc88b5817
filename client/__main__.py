"""`python -m client`."""

from sampler.cli.interrupts import ends_at_once

with ends_at_once():
    from client.commands.table import PROGRAM
    from sampler.cli.start import start

if __name__ == "__main__":
    start(PROGRAM, started_as="python -m client")
