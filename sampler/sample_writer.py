"""A sample's message on the wire, written straight into memory that is there already."""

import numpy as np

from sampler.arrays import Layout, array_table, heat_names
from sampler.config import SamplerConfig
from sampler.errors import InvalidRequestError
from sampler.kernels import PLAIN, Kernels
from sampler.keys import SampleKey
from sampler.layouts import lay_out
from sampler.sample import ImageSource, make_sample
from sampler.targets import untagged
from sampler.wire import WireSample, encode_sample


def write_sample(
    memory: memoryview,
    position: int,
    dataset: ImageSource,
    config: SamplerConfig,
    categories: int,
    key: SampleKey,
    *,
    augment: bool = True,
    layout: Layout = "compact",
    kernels: Kernels = PLAIN,
) -> int:
    """Make the sample of a key, write its message to the start of `memory`, return the message's length in bytes.

    The bytes are those of `sampler.wire.encode_sample`. memory: writable bytes, at least `largest_message`. position:
    of the sample in its batch. categories: C of the dataset. Raises what `make_sample` raises, and
    `InvalidRequestError` where the message does not fit.
    """
    sample = make_sample(dataset, config, key, augment=augment, kernels=kernels)
    arrays = lay_out(sample, layout, config, categories, kernels)
    message = encode_sample(WireSample(position, key, sample.recipe, untagged(sample.objects, config), arrays))
    if len(message) > len(memory):
        raise InvalidRequestError("memory", len(memory), f"at least {len(message)} bytes")
    memory[: len(message)] = message
    return len(message)


ENVELOPE = 4096
"""Bytes of a message beside its arrays' data: names, key, recipe, shapes."""


def largest_message(layout: Layout, config: SamplerConfig, categories: int, boxes: int) -> int:
    """Return how many bytes the message of a sample has at most whose image has `boxes` boxes.

    categories: C of the dataset.
    """
    height, width = config.output_size
    planes = min(boxes, categories)
    total = ENVELOPE
    for spec in array_table(layout, config, categories):
        lengths = {"N": boxes} | {f"K{place}": planes * height * width for place in range(len(heat_names(config)))}
        sides = [side if isinstance(side, int) else lengths[side] for side in spec.shape]
        total += int(np.prod(sides)) * np.dtype(spec.dtype).itemsize
    return total
