"""Keyed random numbers and bit-exact mathematics."""
