"""Benchmarks: each row is compared with its own limit, measured in the same run on the same machine."""
