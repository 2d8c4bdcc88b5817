"""Mutated inputs for everything that reads bytes: `make fuzz`."""
