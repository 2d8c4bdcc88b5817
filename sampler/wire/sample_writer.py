"""A sample's message on the wire, written straight into memory that is there already.

Where each array stands in a message follows from the lengths of what is before it, and none of that depends on
pixels. So the memory of crop and images is known before they are made, and they are made there.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgpack
import numpy as np

from sampler.array_table import array_table
from sampler.arrays import Arrays, Layout
from sampler.config.schema import SamplerConfig
from sampler.errors import InvalidRequestError
from sampler.families.registry import family_of
from sampler.kernels.interface import Kernels
from sampler.kernels.reference import NUMPY
from sampler.layouts.convert import compact, compact_to_sparse, render
from sampler.layouts.render import fill_backgrounds
from sampler.ops.targets import untagged
from sampler.recipe import JITTER_STEPS, Recipe
from sampler.sample.sample import SampleSource, fill_sample, load_inputs
from sampler.stream.keys import EPOCH_LIMIT, INDEX_LIMIT, SEED_LIMIT, SampleKey
from sampler.wire.fast_path import binary_header, map_header
from sampler.wire.messages import WireSample, encode_sample

WIDEST = (1 << 63) - 1
"""An integer that takes as many bytes in a message as any does."""

WIDEST_COUNT = 1 << 24
"""A length whose array header takes as many bytes as any has."""

Places = tuple[tuple[str, str, tuple[int, ...]], ...]
"""Name, dtype and shape of each array of a message, in order."""


def write_sample(
    memory: memoryview,
    position: int,
    dataset: SampleSource,
    config: SamplerConfig,
    categories: int,
    key: SampleKey,
    *,
    augment: bool = True,
    layout: Layout = "compact",
    kernels: Kernels = NUMPY,
) -> int:
    """Make the sample of a key, write its message to the start of `memory`, return the message's length in bytes.

    The bytes are those of `encode_sample`. memory: writable bytes, at least `largest_message`; what it
    holds behind the message may change too. position: of the sample in its batch. categories: C of the dataset.
    Raises what `make_sample` raises, and `InvalidRequestError` where the message does not fit.
    """
    image, boxes, recipe = load_inputs(dataset, config, key, augment, kernels)
    plan = family_of(config).plan_crop(image.shape[0], image.shape[1], boxes, recipe, config, kernels)
    head = encode_sample(WireSample(position, key, recipe, untagged(plan.objects, config), {}))
    if layout == "compact":
        out, length = _reserve(memory, head, _places(layout, config, categories, len(plan.boxes)))
        small = compact(fill_sample(image, plan, recipe, config, kernels, crop=out["crop"]))
        for name in ("colour", "boxes", "objects"):  # the crop's pixels are in place already
            out[name][...] = small[name]
        return length
    small = compact(fill_sample(image, plan, recipe, config, kernels))
    if layout == "dense":
        out, length = _reserve(memory, head, _places(layout, config, categories, 0))
        fill_backgrounds(config, out)
        render(small, config, out, kernels)
        return length
    arrays = compact_to_sparse(small, config, kernels)
    table = array_table(layout, config, categories)
    out, length = _reserve(memory, head, tuple((spec.name, spec.dtype, arrays[spec.name].shape) for spec in table))
    for name, array in arrays.items():
        out[name][...] = array
    return length


def _reserve(memory: memoryview, head: bytes, places: Places) -> tuple[Arrays, int]:
    """Write all of a message but its arrays' values; return arrays that are those values, and its length.

    head: the message without arrays. Arrays lie right behind what is before them, seldom aligned to their items: NumPy
    knows that of each array, and so do the compiled loops.
    """
    skeleton = _skeleton(places, len(head) - 1)
    if skeleton.length > len(memory):
        raise InvalidRequestError("memory", len(memory), f"at least {skeleton.length} bytes")
    memory[: len(head) - 1] = head[:-1]  # its last byte is the map of no arrays
    for start, stop, part in skeleton.between:
        memory[start:stop] = part
    return {name: np.ndarray(shape, dtype, memory, start) for name, shape, dtype, start in skeleton.values}, (
        skeleton.length
    )


@dataclass(frozen=True, slots=True)
class _Skeleton:
    """A message but for its head and its arrays' values.

    between: start, stop and bytes of what stands before each array's values. values: name, shape, dtype and start of
    each array. length: of the whole message.
    """

    between: tuple[tuple[int, int, bytes], ...]
    values: tuple[tuple[str, tuple[int, ...], np.dtype[Any], int], ...]
    length: int


@lru_cache(maxsize=4096)
def _skeleton(places: Places, start: int) -> _Skeleton:
    """Return the skeleton of a message whose head, but for the map of arrays, takes `start` bytes."""
    header = map_header(len(places))
    between, values = [], []
    for name, dtype, shape in places:
        part = header + _array_head(name, dtype, shape)
        first = start + len(part)
        between.append((start, first, part))
        values.append((name, shape, np.dtype(dtype), first))
        start = first + math.prod(shape) * np.dtype(dtype).itemsize
        header = b""
    return _Skeleton(tuple(between), tuple(values), start)


def _array_head(name: str, dtype: str, shape: tuple[int, ...]) -> bytes:
    """Return an array's bytes up to its values, as `sampler.wire.messages.array_map` has them."""
    fields = {b"nd": True, b"type": dtype, b"kind": b"", b"shape": list(shape), b"data": b""}
    whole: bytes = msgpack.packb(name) + msgpack.packb(fields, use_bin_type=True)
    return whole.removesuffix(binary_header(0)) + binary_header(math.prod(shape) * np.dtype(dtype).itemsize)


@lru_cache(maxsize=4096)
def _places(layout: Layout, config: SamplerConfig, categories: int, boxes: int) -> Places:
    return tuple(
        (spec.name, spec.dtype, tuple(side if isinstance(side, int) else boxes for side in spec.shape))
        for spec in array_table(layout, config, categories)
    )


def largest_message(layout: Layout, config: SamplerConfig, categories: int, boxes: int) -> int:
    """Return an upper bound in bytes on the messages of an image with `boxes` boxes, counted before any clipping.

    Compact and dense messages come within some dozen bytes of it. In a sparse one each box is assumed to draw as much
    as any box can.
    """
    jitter = tuple((name, 0.5) for name in JITTER_STEPS)
    recipe = Recipe(1.5, WIDEST, (WIDEST, WIDEST), True, jitter, (0.5, 0.5, 0.5))
    key = SampleKey(SEED_LIMIT - 1, EPOCH_LIMIT - 1, INDEX_LIMIT - 1)
    head = len(encode_sample(WireSample(WIDEST, key, recipe, WIDEST, {}))) - 1
    if layout != "sparse":
        return _skeleton(_places(layout, config, categories, boxes), head).length
    # Headers as for WIDEST_COUNT values in each array, which they have room for, and then the values themselves.
    planes = sum(spec.sparse is not None for spec in array_table("dense", config, categories))
    headers = _skeleton(_places(layout, config, categories, WIDEST_COUNT), head).length - planes * WIDEST_COUNT * 16
    return headers + 16 * family_of(config).most_sparse_values(config, categories, boxes)
