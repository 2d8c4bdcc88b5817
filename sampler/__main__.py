"""`python -m sampler`."""

from sampler.commands.cli import app
from sampler.commands.program import run_program

if __name__ == "__main__":
    run_program(app, "sampler", "saccade-sampler")
