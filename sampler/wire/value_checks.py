"""Checks of a received batch: every value that rendering or a training step relies on.

A reader runs them once the digest of the batch was verified, on the stacked arrays of all samples.
"""

import math

import numpy as np

from sampler.array_table import dense_table
from sampler.arrays import Arrays, Layout
from sampler.config_schema import SamplerConfig
from sampler.errors import ProtocolError
from sampler.families.registry import family_of

MAX_COLOUR = 1e30
"""Largest entry of a colour matrix: with it, no pixel overflows a float32. Those of any config are below 1e10."""


def check_values(arrays: Arrays, layout: Layout, config: SamplerConfig, categories: int) -> None:
    """Raise ProtocolError for values that cannot be rendered or trained with.

    arrays: those of the layout; of fixed shape with a leading axis of all samples, of varying length concatenated.
    """
    if layout == "compact":
        _check_boxes(arrays, config, categories)
        if arrays["colour"].size and not np.abs(arrays["colour"]).max() <= MAX_COLOUR:  # NaN compares false
            raise ProtocolError(f"colour: expected finite numbers of at most {MAX_COLOUR:g}")
        return
    _check_tags(arrays, config)
    if layout == "sparse":
        for spec in dense_table(config, categories):
            if spec.sparse is None:
                continue
            places = arrays[f"{spec.name}_idx"]
            if places.size and (places.min() < 0 or (places >= np.array(spec.shape)).any()):
                raise ProtocolError(f"{spec.name}_idx: a coordinate outside {list(spec.shape)}")


def _check_boxes(arrays: Arrays, config: SamplerConfig, categories: int) -> None:
    boxes, objects = arrays["boxes"], arrays["objects"]
    corners, category = boxes[:, :4], boxes[:, 4]
    inside = (corners >= 0) & (corners <= config.input_side - 1)  # NaN compares false
    if not inside.all() or (corners[:, :2] > corners[:, 2:]).any():
        raise ProtocolError(f"boxes: expected 0 ≤ x0 ≤ x1 ≤ {config.input_side - 1}, and the same for y")
    if not ((category >= 1) & (category <= categories) & (category == np.floor(category))).all():
        raise ProtocolError(f"boxes: expected integer categories from 1 to {categories}")
    if (objects > 1).any() or (not family_of(config).ignores_boxes and not objects.all()):
        raise ProtocolError("objects: expected 1, or 0 for an ignored box if the config ignores boxes")


def _check_tags(arrays: Arrays, config: SamplerConfig) -> None:
    """Check the numbers of cells, by which a training step picks elements of its outputs."""
    names = family_of(config).corner_names(config)
    if names is None:
        return
    cells = math.prod(config.output_size)
    for corner, _ in names.corners:
        tags = arrays[corner.tags]
        if tags.size and not (tags.min() >= 0 and tags.max() < cells):
            raise ProtocolError(f"{corner.tags}: a cell outside 0 … {cells - 1}")
    masks = arrays[names.tag_masks]
    if masks.size and masks.max() > 1:
        raise ProtocolError(f"{names.tag_masks}: expected 0 or 1")
