"""The inner loops of a sample, as an interface with two implementations.

`sampler.kernels.reference` is NumPy and always available; `sampler.kernels.compiled` needs Numba. Both produce the same
bytes, so the choice does not affect a sample's digest. To add a kernel, add a method here and to both implementations.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sampler.arrays import ArrayMap, Booleans, Floats, Integers
from sampler.config_schema import SamplerConfig
from sampler.ops.boxes import Boxes, Frame
from sampler.ops.colour import ColourMatrix
from sampler.ops.resize import Image, Pair
from sampler.ops.targets import TargetNames


class Kernels(Protocol):
    """One implementation of every inner loop."""

    def random_bits(self, seed: int, domain: int, epoch: int, index: int, count: int) -> NDArray[np.uint64]:
        """Return (count,) uint64, the first `count` values of the Philox stream of these four numbers."""
        ...

    def clip_boxes(
        self, boxes: Boxes, left: float, top: float, right: float, bottom: float
    ) -> tuple[Boxes, NDArray[np.intp]]:
        """Clip boxes to x ∈ [left, right], y ∈ [top, bottom] and drop those without width or height.

        Returns:
            The (K, 5) remaining boxes and their (K,) rows in `boxes`.
        """
        ...

    def frame_boxes(self, boxes: Boxes, frame: Frame) -> tuple[Boxes, Booleans, NDArray[np.intp], int]:
        """Find the boxes in a crop.

        A box is an object if more than half of its area is in the crop and its longer side has at least
        `frame.least_side` whole pixels there.

        Returns:
            (N, 5) boxes in crop pixels, (N,) which of them are objects, (N,) their rows in `boxes`, and the number of
            boxes that remained after clipping to the image.
        """
        ...

    def fill_canvas(
        self,
        image: Image,
        size: Pair,
        start: Pair,
        shape: Pair,
        offset: Pair,
        flip: bool,
        out: Image,
        source: Pair | None = None,
        origin: Pair = (0, 0),
    ) -> tuple[int, int, int]:
        """Fill a canvas with a window of a resized image; the rest becomes black.

        Args:
            image: (H, W, 3) uint8, the image or a part that holds every pixel that the window is blended from.
            size: (height, width) of the whole resized image.
            start: (row, column) of the window in the resized image.
            shape: (height, width) of the window.
            offset: (y, x) of the window on the canvas, before the flip.
            flip: Whether to mirror the whole canvas.
            out: (h, w, 3) uint8, C order: the canvas, with any content.
            source: (height, width) of the image of which `image` is a part; None if it is the whole image.
            origin: (row, column) in the image of the first pixel of `image`.

        Returns:
            The sums of blue, green and red over the canvas.

        Raises:
            ValueError: The part does not hold every pixel that the window is blended from.
        """
        ...

    def resize_canvas(
        self,
        image: Image,
        canvas: Pair,
        start: Pair,
        shape: Pair,
        offset: Pair,
        flip: bool,
        out: Image,
        source: Pair | None = None,
        origin: Pair = (0, 0),
    ) -> tuple[int, int, int]:
        """Paste a window of an image onto a black canvas, and fill `out` with the canvas resized to its size.

        Args:
            image: (H, W, 3) uint8, the image or a part that holds the window.
            canvas: (height, width) of the canvas.
            start: (row, column) of the window in the image.
            shape: (height, width) of the window.
            offset: (y, x) of the window on the canvas, before the flip.
            flip: Whether to mirror the canvas.
            out: (h, w, 3) uint8, C order, with any content.
            source: As for `fill_canvas`; so is `origin`.
            origin: See `source`.

        Returns:
            The sums of blue, green and red over `out`.

        Raises:
            ValueError: The part does not hold the window.
        """
        ...

    def apply_colour(self, pixels: Image, matrix: ColourMatrix, out: Floats | None = None) -> Floats:
        """Return the normalised image, (3, S, S) float32, channels B, G, R.

        Args:
            pixels: (S, S, 3) uint8 BGR.
            matrix: (3, 4) float32. Each channel is ((m₀·B + m₁·G) + m₂·R) + m₃ in float32.
            out: Array for the result; a new one by default.
        """
        ...

    def draw_targets(
        self,
        boxes: Boxes,
        objects: Booleans,
        starts: Integers,
        config: SamplerConfig,
        names: TargetNames,
        out: ArrayMap,
    ) -> None:
        """Draw the corner targets of B samples.

        Objects beyond `max_objects` of a sample draw their bumps but get no row of offsets and tags.

        Args:
            boxes: (M, 5) float32 boxes of all samples, concatenated, in crop pixels.
            objects: (M,) bool, False for ignored boxes.
            starts: (B + 1,) int64: sample b has rows starts[b] to starts[b + 1] of `boxes` and `objects`.
            config: Sizes, bump settings, `max_objects` and attention maps.
            names: Names of the arrays in `out` to draw into.
            out: Arrays with a leading axis of B, filled with their backgrounds.
        """
        ...
