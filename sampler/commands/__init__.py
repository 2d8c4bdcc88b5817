"""The commands of `python -m sampler`."""
