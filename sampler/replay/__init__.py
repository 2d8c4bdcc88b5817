"""Recorded samples and how to render them again."""
