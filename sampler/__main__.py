"""`python -m sampler`."""

from sampler.cli import app

if __name__ == "__main__":
    app(prog_name="python -m sampler")
