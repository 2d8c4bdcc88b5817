"""Tests of `benchmarks.pages`."""
