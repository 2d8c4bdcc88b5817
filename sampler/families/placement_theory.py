"""The laws that random placements follow, for the comparison of drawn placements with theory.

A law is the distribution function of each sample's own draw, given the image, its boxes and, for the centre, the scale.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sampler.arrays import Booleans, Floats, Integers

Law = Callable[[NDArray[np.floating]], NDArray[np.float64]]
"""Returns for each sample the probability that its draw is at most the given value."""


@dataclass(frozen=True, slots=True)
class DrawnPlacements:
    """Placements of N samples, and what they were drawn for.

    Attributes:
        sizes: (N, 2) height and width of the images in pixels.
        scales: (N,) float64.
        centers: (N, 2) y and x.
        samples: (M,) the number of the sample of each box, ascending.
        boxes: (M, 4) float32, x0, y0, x1, y1 in image pixels, not clipped.
        references: (M,) bool, at most one box of each sample.
    """

    sizes: NDArray[np.integer]
    scales: NDArray[np.float64]
    centers: NDArray[np.integer]
    samples: Integers
    boxes: Floats
    references: Booleans


class PlacementTheory(ABC):
    """The laws of scale and centre. Each law is computed from the published rules, not from the code that draws."""

    scale_rule: ClassVar[str]
    """The law of the scale in words."""

    center_rule: ClassVar[str]
    """The law of the centre in words."""

    @abstractmethod
    def scale_law(self, drawn: DrawnPlacements) -> Law:
        """Return the law of the scale, of (N,) scales to (N,) probabilities."""

    @abstractmethod
    def center_law(self, drawn: DrawnPlacements) -> Law:
        """Return the law of the centre, of (N, 2) y and x to (N, 2) probabilities; NaN where nothing is drawn."""


def uniform_choice(values: Sequence[float]) -> Law:
    """Return the law of a value that is one of `values`, each equally likely."""
    ordered = np.sort(values)
    return lambda given: np.searchsorted(ordered, given, side="right") / len(ordered)


def uniform_integers(given: ArrayLike, low: ArrayLike, high: ArrayLike) -> NDArray[np.float64]:
    """Return the probability that an integer, uniform from low to high (both included), is at most `given`."""
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    probability: NDArray[np.float64] = np.clip((np.floor(given) - low + 1) / (high - low + 1), 0, 1)
    return probability
