"""The laws of CornerNet-Saccade's placement, from its published rules."""

import numpy as np
from numpy.typing import NDArray

from sampler.config_schema import SamplerConfig
from sampler.families.placement_theory import (
    DrawnPlacements,
    Law,
    PlacementTheory,
    uniform_choice,
    uniform_integers,
)
from sampler.families.saccade_rules import CENTRE_SPREAD, REFERENCE_SHARE, length_range

Float64s = NDArray[np.float64]


class SaccadeTheory(PlacementTheory):
    """A box of the image, each equally likely, gets a uniform length; the crop contains it."""

    scale_rule = "a box of the image, each equally likely, gets a whole length of its size class, each equally likely"
    center_rule = (
        "half of the crops lie close to the middle of the reference box, half anywhere so that they contain it"
    )

    def __init__(self, config: SamplerConfig) -> None:
        self._config = config

    def scale_law(self, drawn: DrawnPlacements) -> Law:
        clipped = _clipped(drawn)
        sides = clipped[:, 2:] - clipped[:, :2]
        remain = (sides > 0).all(axis=1)
        longest, owners = sides.max(axis=1, initial=0)[remain].astype(np.float64), drawn.samples[remain]
        low, high = np.array([length_range(one) for one in longest.tolist()]).reshape(-1, 2).T
        counts = np.bincount(owners, minlength=len(drawn.scales))
        share = np.where(counts > 0, REFERENCE_SHARE if self._config.rand_crop else 1.0, 0.0)
        without_box = uniform_choice(self._config.rand_scales)

        def law(scales: NDArray[np.floating]) -> Float64s:
            lengths = uniform_integers(scales[owners] * longest, low, high)
            with_box = np.bincount(owners, lengths, len(scales)) / np.maximum(counts, 1)
            mixed: Float64s = share * with_box + (1 - share) * without_box(scales)
            return mixed

        return law

    def center_law(self, drawn: DrawnPlacements) -> Law:
        extents, spans = _scaled(drawn)
        side = np.array(self._config.input_size)
        # Without a reference, the crop lies anywhere in the image.
        has_box = ~np.isnan(spans[:, 0, :1])
        start, end = np.where(has_box, spans[:, 0], 0.0), np.where(has_box, spans[:, 1], extents)
        low = np.where(has_box, np.floor(np.maximum(end - side, 0)), 0)
        high = np.where(has_box, np.maximum(low, np.floor(np.minimum(extents - side, start))), extents - side)
        share = np.where(has_box, 0.5 if self._config.rand_center else 0.0, 0.0)

        def law(centers: NDArray[np.floating]) -> Float64s:
            anywhere = uniform_integers(centers - side // 2, low, high)
            centred = _near_middle(centers, (start + end) // 2, extents) if share.any() else 0.0
            return np.where(extents > side, share * centred + (1 - share) * anywhere, np.nan)

        return law


def _clipped(drawn: DrawnPlacements) -> NDArray[np.float32]:
    """Return (M, 4) float32, the boxes clipped to their images."""
    last = (drawn.sizes[drawn.samples, ::-1] - 1).astype(np.float32)
    return np.concatenate([np.maximum(drawn.boxes[:, :2], 0), np.minimum(drawn.boxes[:, 2:], last)], axis=1)


def _scaled(drawn: DrawnPlacements) -> tuple[Float64s, Float64s]:
    """Return (N, 2) sizes of the scaled images, and (N, 2, 2) start and end of the reference box in them.

    The last axis is y, x. Start and end are NaN without a reference box. Products are rounded as the published ones.
    """
    owners = drawn.samples[drawn.references]
    spans = np.full((len(drawn.scales), 2, 2), np.nan)
    factors = drawn.scales[owners].astype(np.float32)
    corners = _clipped(drawn)[drawn.references].reshape(-1, 2, 2)[:, :, ::-1]
    spans[owners] = corners * factors[:, np.newaxis, np.newaxis]
    extents = drawn.sizes * drawn.scales[:, np.newaxis]
    extents[owners] = drawn.sizes[owners].astype(np.float32) * factors[:, np.newaxis]
    return np.maximum(np.floor(extents), 1), spans


def _near_middle(centers: NDArray[np.floating], middle: Float64s, extents: Float64s) -> Float64s:
    """Return the law of a crop that lies close to a middle: uniform between two bounds that are drawn, too."""
    spread, total = range(CENTRE_SPREAD + 1), np.zeros(middle.shape)
    for low in (np.maximum(middle - before, 0) for before in spread):
        reached = np.maximum(centers - low + 1, 0)
        for high in (np.minimum(middle + after, extents - 1) for after in spread):
            total += np.minimum(reached / (np.maximum(high - low, 0) + 1), 1)
    return total / len(spread) ** 2
