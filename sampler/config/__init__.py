"""Sampler configs: schema and presets, CornerNet-Lite files, digests."""
