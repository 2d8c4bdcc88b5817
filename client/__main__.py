"""`python -m client`."""

from client.commands.cli import app
from sampler.commands.program import run_program

if __name__ == "__main__":
    run_program(app, "client", "saccade-client")
