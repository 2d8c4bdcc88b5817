"""Sample keys: epoch order, steps and ranks."""
