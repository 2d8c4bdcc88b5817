"""The identity of what a sample depends on: dataset content, config, sampler version."""

import hashlib
import json

from sampler.config.schema import SamplerConfig
from sampler.version import SAMPLER_VERSION


def config_digest(config: SamplerConfig) -> str:
    """Return 32 hex digits that differ when any field but the name does."""
    fields = config.as_dict()
    del fields["name"]
    return _hex(fields)


def sample_digest(dataset_digest: str, config: SamplerConfig, version: int = SAMPLER_VERSION) -> str:
    """Return 32 hex digits: with equal ones, equal keys give equal bytes, on any two hosts.

    Image files count through the annotations (names and sizes), not through their pixels.
    """
    return _hex({"dataset": dataset_digest, "config": config_digest(config), "sampler": version})


def _hex(document: object) -> str:
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()
