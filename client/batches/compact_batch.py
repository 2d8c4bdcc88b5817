"""Batches before rendering."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, slots=True)
class CompactBatch:
    """B samples before rendering. S is the input side, M the number of boxes in all samples together.

    All arrays are C-contiguous and read-only. They may share memory with their packed batch, and keep it alive.

    Attributes:
        crops: (B, S, S, 3) uint8, pixels after scale, crop and flip, channels B, G, R.
        colours: (B, 3, 4) float32, matrix from a pixel (B, G, R, 1) to the normalised image.
        boxes: (M, 5) float32, x0, y0, x1, y1 in crop pixels, category 1…C; all samples concatenated.
        objects: (M,) uint8, 1 for an object, 0 for an ignored box.
        starts: (B + 1,) int64; the boxes of sample b are the rows starts[b] … starts[b + 1] − 1.
    """

    crops: NDArray[np.uint8]
    colours: NDArray[np.float32]
    boxes: NDArray[np.float32]
    objects: NDArray[np.uint8]
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        """B, the number of samples."""
        return len(self.crops)
