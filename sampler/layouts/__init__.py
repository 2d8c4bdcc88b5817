"""Layouts of a sample and conversions between them."""
