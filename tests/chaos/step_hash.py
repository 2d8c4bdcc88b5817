"""The hash of a step: of the samples that the trainer received, and of those that it must receive."""

import hashlib
from collections.abc import Iterable

import numpy as np

from sampler.arrays import ArrayMap
from sampler.stream.keys import SampleKey


def step_hash(samples: Iterable[tuple[SampleKey, ArrayMap]]) -> str:
    """Return the hash of keys and arrays in stream order, which does not depend on how ranks share them."""
    hashed = hashlib.sha256()
    for key, arrays in samples:
        hashed.update(f"{key.seed} {key.epoch} {key.index}".encode())
        for name in sorted(arrays):
            array = np.ascontiguousarray(arrays[name])
            hashed.update(f"{name} {array.dtype} {array.shape}".encode())
            hashed.update(array.data)
    return hashed.hexdigest()
