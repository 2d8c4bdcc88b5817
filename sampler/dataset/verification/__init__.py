"""Verifying a dataset: every image is decoded, every box and every id is checked."""
