"""The two versions, each in one place."""

VERSION = "0.2.0"
"""Version of the distribution."""

SAMPLER_VERSION = 1
"""Version of the samples. Raised whenever the same (dataset, config, seed, epoch, index) would give other bytes."""
