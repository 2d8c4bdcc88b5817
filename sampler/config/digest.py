"""Digests of everything that a sample depends on: dataset content, config, sampler version."""

import hashlib
import json

from sampler.config_schema import SamplerConfig
from sampler.version import SAMPLER_VERSION


def config_digest(config: SamplerConfig) -> str:
    """Return 32 hex digits over all fields except the name."""
    fields = config.as_dict()
    del fields["name"]
    return _hex(fields)


def sample_digest(dataset_digest: str, config: SamplerConfig, version: int = SAMPLER_VERSION) -> str:
    """Return 32 hex digits: if they are equal on two hosts, equal keys give equal bytes.

    Image files count by their annotations (names and sizes), not by their pixels.
    """
    return _hex({"dataset": dataset_digest, "config": config_digest(config), "sampler": version})


def _hex(document: object) -> str:
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()
