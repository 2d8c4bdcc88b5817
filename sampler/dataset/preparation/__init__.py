"""Passes over the images of a dataset that make reading them faster: decoding them, recording entry points."""
