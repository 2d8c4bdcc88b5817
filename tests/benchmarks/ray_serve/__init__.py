"""Tests of `benchmarks.ray_serve`."""
