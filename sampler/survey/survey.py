"""A survey: recipes of many samples and what became of every box, as arrays."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from sampler.arrays import Booleans, Floats, Integers
from sampler.ops.boxes import areas
from sampler.stream.keys import SampleKey

SAMPLE_ARRAYS: dict[str, tuple[str, tuple[int, ...]]] = {
    "seeds": ("<u8", ()),
    "epochs": ("<i8", ()),
    "indices": ("<i8", ()),
    "images": ("<i8", ()),
    "sizes": ("<i4", (2,)),
    "scales": ("<f8", ()),
    "centers": ("<i4", (2,)),
    "flips": ("|b1", ()),
    "orders": ("|i1", ()),
    "gains": ("<f8", (3,)),
    "lighting": ("<f8", (3,)),
    "box_counts": ("<i8", ()),
}
"""The arrays with a row for each sample: dtype and shape of a row."""

BOX_ARRAYS: dict[str, tuple[str, tuple[int, ...]]] = {
    "categories": ("<i4", ()),
    "originals": ("<f4", (4,)),
    "cropped": ("<f4", (4,)),
    "objects": ("|b1", ()),
    "outside": ("|b1", ()),
    "untagged": ("|b1", ()),
    "cut_off": ("|b1", ()),
    "crowd": ("|b1", ()),
    "reference": ("|b1", ()),
}
"""The arrays with a row for each box."""


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """Everything about N samples with M boxes in all that does not depend on pixels.

    Boxes are those of the images, in the order of the samples, then of the image; crowd boxes are left out if the
    config drops them.

    Attributes:
        seeds: (N,) uint64; seed, epoch and index are the key of a sample.
        epochs: (N,) int64.
        indices: (N,) int64.
        images: (N,) int64, the index of the image that a sample is made from.
        sizes: (N, 2) int32, height and width of that image in pixels.
        scales: (N,) float64, as in the recipe.
        centers: (N, 2) int32, y and x, as in the recipe.
        flips: (N,) bool.
        orders: (N,) int8, the order of the jitter steps, a position in `sampler.sample.recipes.ORDERS`; −1 without
            jitter.
        gains: (N, 3) float64 of brightness, contrast and saturation; NaN without jitter.
        lighting: (N, 3) float64, weights of the colour eigenvectors.
        box_counts: (N,) int64, boxes of each sample's image.
        categories: (M,) int32, 1…C.
        originals: (M, 4) float32, x0, y0, x1, y1 in image pixels, not clipped.
        cropped: (M, 4) float32 in crop pixels; NaN for boxes outside the crop.
        objects: (M,) bool.
        outside: (M,) bool, no part of the box is in the crop.
        untagged: (M,) bool, objects without a row of tags.
        cut_off: (M,) bool, boxes in the crop of which a part lies beyond its edges.
        crowd: (M,) bool.
        reference: (M,) bool, boxes that the scale of their sample was chosen for.
    """

    seeds: NDArray[np.uint64]
    epochs: Integers
    indices: Integers
    images: Integers
    sizes: NDArray[np.int32]
    scales: NDArray[np.float64]
    centers: NDArray[np.int32]
    flips: Booleans
    orders: NDArray[np.int8]
    gains: NDArray[np.float64]
    lighting: NDArray[np.float64]
    box_counts: Integers
    categories: NDArray[np.int32]
    originals: Floats
    cropped: Floats
    objects: Booleans
    outside: Booleans
    untagged: Booleans
    cut_off: Booleans
    crowd: Booleans
    reference: Booleans

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def keys(self) -> list[SampleKey]:
        """The keys of the samples."""
        return list(map(SampleKey, self.seeds.tolist(), self.epochs.tolist(), self.indices.tolist()))

    @property
    def ignored(self) -> Booleans:
        """(M,) bool, boxes in the crop that are no objects."""
        return ~self.objects & ~self.outside

    @property
    def samples(self) -> Integers:
        """(M,) int64, the number of the sample of each box."""
        return np.repeat(np.arange(len(self)), self.box_counts)

    @property
    def areas(self) -> Floats:
        """(M,) float32, areas in the crop in square pixels; NaN for boxes outside."""
        return areas(self.cropped)

    def counts(self, chosen: Booleans) -> Integers:
        """Return (N,) int64, how many boxes of each sample are chosen. chosen: (M,), such as `survey.objects`."""
        return np.bincount(self.samples[chosen], minlength=len(self))

    @classmethod
    def joined(cls, surveys: Iterable["Survey"]) -> "Survey":
        """Return one survey of all samples, in the order given. surveys: at least one."""
        parts = list(surveys)
        return cls(**{one.name: np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(cls)})

    def to_bytes(self) -> bytes:
        """Return the survey as a MessagePack map of buffers, which `from_bytes` reads."""
        table = SAMPLE_ARRAYS | BOX_ARRAYS
        packed: bytes = msgpack.packb(
            {name: getattr(self, name).astype(dtype, copy=False).tobytes() for name, (dtype, _) in table.items()}
        )
        return packed

    @classmethod
    def from_bytes(cls, data: bytes) -> "Survey":
        """Return the survey of a `to_bytes`. Its arrays are read-only."""
        buffers: dict[str, bytes] = msgpack.unpackb(data)
        table = SAMPLE_ARRAYS | BOX_ARRAYS
        arrays: dict[str, Any] = {
            name: np.frombuffer(buffers[name], dtype).reshape(-1, *shape) for name, (dtype, shape) in table.items()
        }
        return cls(**arrays)
