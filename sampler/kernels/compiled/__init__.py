"""The inner loops compiled by Numba."""
