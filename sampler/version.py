"""The two versions, each in one place."""

VERSION = "0.2.0"
"""Version of the distribution."""

SAMPLER_VERSION = 2
"""Version of the samples. Raised whenever the same (dataset, config, seed, epoch, index) would give other bytes.

2: images are turned as their EXIF orientation says wherever the annotated size allows it.
"""
