"""The boxes of a batch."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sampler.arrays import ArrayMap


@dataclass(frozen=True, eq=False, slots=True)
class BoxTable:
    """The boxes of B samples, concatenated. They are in host memory, wherever the arrays of the batch are.

    Attributes:
        boxes: (M, 5) float32, x0, y0, x1, y1 in crop pixels, category 1…C.
        objects: (M,) uint8, 1 for an object, 0 for an ignored box.
        starts: (B + 1,) int64; the boxes of sample b are the rows starts[b] … starts[b + 1] − 1.
    """

    boxes: NDArray[np.float32]
    objects: NDArray[np.uint8]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, samples: Sequence[ArrayMap]) -> Self:
        """Return the table of samples in the layout "compact", given by the names of their arrays."""
        return cls(
            boxes=np.concatenate([np.zeros((0, 5), np.float32), *(sample["boxes"] for sample in samples)]),
            objects=np.concatenate([np.zeros(0, np.uint8), *(sample["objects"] for sample in samples)]),
            starts=_starts([len(sample["boxes"]) for sample in samples]),
        )

    def rows(self, sample: int) -> slice:
        """Return the rows of a sample, 0 … B−1."""
        return slice(int(self.starts[sample]), int(self.starts[sample + 1]))

    def select(self, samples: Iterable[int]) -> Self:
        """Return the table of some samples, in the given order."""
        rows = [self.rows(sample) for sample in samples]
        boxes: list[Any] = [self.boxes[some] for some in rows]
        objects: list[Any] = [self.objects[some] for some in rows]
        return type(self)(
            np.concatenate([self.boxes[:0], *boxes]),
            np.concatenate([self.objects[:0], *objects]),
            _starts([len(some) for some in objects]),
        )


NO_BOXES = BoxTable(np.zeros((0, 5), np.float32), np.zeros(0, np.uint8), np.zeros(1, np.int64))
"""The boxes of no samples."""


def _starts(counts: Sequence[int]) -> NDArray[np.int64]:
    starts = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=starts[1:])
    return starts
