"""From a key to a sample: recipe, crop, sample."""
