"""Why boxes are ignored, as the detector family knows it."""

import numpy as np
from numpy.typing import NDArray

from sampler.arrays import Floats
from sampler.config_schema import SamplerConfig
from sampler.families.registry import family_of

ANOTHER_REASON = "for another reason"


def ignore_reasons(
    cropped: Floats, categories: NDArray[np.integer], config: SamplerConfig
) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    """Return the possible reasons, and for each ignored box the position of the first one that holds.

    Args:
        cropped: (M, 4) float32, ignored boxes in crop pixels.
        categories: (M,) their categories, 1…C.
        config: Of the samples.

    Returns:
        The reasons, of which the last one is `ANOTHER_REASON`, and (M,) positions in them.
    """
    boxes = np.column_stack([cropped, categories]).astype(np.float32)
    known = family_of(config).ignore_reasons(boxes, config)
    holds = np.array([*(held for _, held in known), np.ones(len(boxes), np.bool_)])
    return (*(reason for reason, _ in known), ANOTHER_REASON), holds.argmax(axis=0)
