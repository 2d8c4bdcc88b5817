"""What all thumbnails have in common."""

THUMBNAIL_SIDE = 320
"""Longest side of a thumbnail in pixels."""
