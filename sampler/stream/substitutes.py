"""Substitutes: usable images in place of unusable ones.

An unusable image keeps its place in the dataset, so that the number of images and the order of every epoch stay the
same. For each key with its index, the sample is made from a usable image that is drawn from the key.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from sampler.errors import InvalidRequestError
from sampler.rng.distributions import integer
from sampler.rng.philox import SUBSTITUTE_DOMAIN, random_bits
from sampler.stream.keys import SampleKey


@dataclass(frozen=True)
class Substitutes:
    """Which images of a dataset are unusable, and which image is used instead for each key.

    Attributes:
        unusable: Dataset indices, ascending, each once.
        size: N, the number of images of the dataset.

    Raises:
        InvalidRequestError: The indices are not in order or out of range, or no image is usable.
    """

    unusable: tuple[int, ...]
    size: int

    def __post_init__(self) -> None:
        in_order = all(low < high for low, high in zip(self.unusable, self.unusable[1:], strict=False))
        if not in_order or (self.unusable and not 0 <= self.unusable[0] <= self.unusable[-1] < self.size):
            expected = f"ascending dataset indices, 0 to {self.size - 1}"
            raise InvalidRequestError("unusable", f"{list(self.unusable[:8])}…", expected)
        if len(self.unusable) >= self.size:
            raise InvalidRequestError("unusable", f"all {self.size} images", "at least one usable image")

    def image_of(self, key: SampleKey) -> int:
        """Return the dataset index of the image that the sample of a key is made from."""
        if key.index not in self._indices:
            return key.index
        [bits] = random_bits(key.seed, SUBSTITUTE_DOMAIN, key.epoch, key.index, 1).tolist()
        rank = integer(bits, 0, self.size - len(self.unusable) - 1)
        return rank + int(np.searchsorted(self._ranks, rank, side="right"))

    @property
    def digest(self) -> str:
        """BLAKE2b-128 of the indices, 32 hexadecimal digits."""
        return hashlib.blake2b(np.array(self.unusable, "<i8").tobytes(), digest_size=16).hexdigest()

    @cached_property
    def _indices(self) -> frozenset[int]:
        return frozenset(self.unusable)

    @cached_property
    def _ranks(self) -> npt.NDArray[np.int64]:
        """The number of usable images before each unusable one, ascending."""
        return np.array(self.unusable, np.int64) - np.arange(len(self.unusable))
