"""Histograms as values."""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many values fall into each bin.

    Attributes:
        labels: (B,) the name of each bin.
        counts: (B,) values in it. The first and last bin also have all values beyond them.
        edges: (B + 1,) bounds of the bins, ascending; none if the bins are single values.
    """

    labels: tuple[str, ...]
    counts: tuple[int, ...]
    edges: tuple[float, ...] = ()

    @classmethod
    def of(cls, values: ArrayLike, edges: NDArray[np.float64]) -> "Histogram":
        """Return the histogram of values. edges: (B + 1,); a value at an edge belongs to the bin above it."""
        bins = np.searchsorted(edges[1:-1], np.asarray(values), side="right")
        bounds = [shown(edge) for edge in edges.tolist()]
        labels = tuple(f"{low} – {high}" for low, high in pairwise(bounds))
        counts = np.bincount(bins, minlength=len(edges) - 1)
        return cls(labels, tuple(counts.tolist()), tuple(edges.tolist()))


def octaves(values: NDArray[np.floating], parts: int = 2) -> NDArray[np.float64]:
    """Return the edges of bins that hold all values above 0, at least one bin.

    parts: bins of an octave. Edges above 1 have two decimals, so that pages and links can name them.
    """
    positive = values[values > 0]
    if not len(positive):
        return np.array([1.0, 2.0])
    low, high = math.floor(parts * math.log2(positive.min())), math.floor(parts * math.log2(positive.max())) + 1
    edges: NDArray[np.float64] = 2.0 ** (np.arange(low, high + 1) / parts)
    rounded = np.concatenate([np.floor(100 * edges[:1]), np.ceil(100 * edges[1:])]) / 100
    return np.where(edges < 1, edges, rounded)


def shown(number: float) -> str:
    """Return a number with three significant digits, without an exponent."""
    digits = 3 if abs(number) < 1000 else math.floor(math.log10(abs(number))) + 1
    text = f"{number:.{digits}g}"
    return text if "e" not in text else f"{number:.6f}".rstrip("0").rstrip(".")
