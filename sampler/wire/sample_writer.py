"""Makes a sample directly inside its message, in given memory.

    head, without the map of arrays │ prefix │ data │ prefix │ data │ …

The place of each array follows from the lengths before it, and none of these depends on pixels. So the place of the
pixels is known before they are made.
"""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sampler.array_table import array_table
from sampler.arrays import Arrays, Layout
from sampler.config_schema import SamplerConfig
from sampler.errors import InvalidRequestError
from sampler.families.registry import family_of
from sampler.kernels.interface import Kernels
from sampler.kernels.reference import REFERENCE
from sampler.layouts.convert import compact, compact_to_sparse, render
from sampler.layouts.render import fill_backgrounds
from sampler.ops.targets import untagged
from sampler.recipe import JITTER_STEPS, Recipe
from sampler.sample.sample import PlannedSample, SampleSource, fill_sample, plan_sample
from sampler.stream.keys import EPOCH_LIMIT, INDEX_LIMIT, SEED_LIMIT, SampleKey
from sampler.wire.array_format import array_prefix, map_header
from sampler.wire.messages import WireSample, encode_sample

WIDEST_INTEGER = (1 << 63) - 1
"""An integer whose encoding is the longest."""

WIDEST_LENGTH = 1 << 24
"""A length of an array with the longest prefix."""

Shapes = tuple[tuple[str, str, tuple[int, ...]], ...]
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
    kernels: Kernels = REFERENCE,
    planned: PlannedSample | None = None,
) -> int:
    """Make the sample of a key and write its message, the same bytes as `encode_sample`; return its length.

    The message starts at the first byte of `memory`; bytes after it may change too. position: of the sample in its
    batch. categories: C, of the dataset. planned: what `plan_sample` returns for the key, if it is known. Raises
    InvalidRequestError if the message does not fit, which one in `largest_message` bytes does, and ImageError if the
    image cannot be read as annotated.
    """
    if planned is None:
        planned = plan_sample(dataset, config, key, augment, kernels)
    plan, recipe = planned.plan, planned.recipe
    part = dataset.read(planned.image, planned.region)
    head = encode_sample(WireSample(position, key, recipe, untagged(plan.objects, config), {}))
    if layout == "compact":
        out, length = _write_frame(memory, head, _fixed_frame(layout, config, categories, len(plan.boxes)))
        arrays = compact(fill_sample(part, plan, recipe, config, kernels, crop=out.pop("crop")))
        _copy(arrays, out)
        return length
    arrays = compact(fill_sample(part, plan, recipe, config, kernels))
    if layout == "dense":
        out, length = _write_frame(memory, head, _fixed_frame(layout, config, categories, 0))
        fill_backgrounds(config, out)
        render(arrays, config, out, kernels)
        return length
    arrays = compact_to_sparse(arrays, config, kernels)
    table = array_table(layout, config, categories)
    shapes = tuple((spec.name, spec.dtype, arrays[spec.name].shape) for spec in table)
    out, length = _write_frame(memory, head, _frame(shapes))  # seldom equal to that of another sample
    _copy(arrays, out)
    return length


def _copy(arrays: Mapping[str, NDArray[Any]], out: Arrays) -> None:
    for name, array in out.items():
        array[...] = arrays[name]


class _Frame(NamedTuple):
    """A message except for its head and its arrays' data. Positions are relative to the map of arrays.

    prefixes: start, stop and bytes before each array's data. arrays: name, shape, dtype and start of the data of each
    array. length: of everything after the head.
    """

    prefixes: list[tuple[int, int, bytes]]
    arrays: list[tuple[str, tuple[int, ...], np.dtype[Any], int]]
    length: int


def _write_frame(memory: memoryview, head: bytes, frame: _Frame) -> tuple[Arrays, int]:
    """Write a message except for its arrays' data; return arrays in the place of the data, and the message's length.

    head: a message without arrays. The arrays are seldom aligned to their items; NumPy and the compiled kernels allow
    for that.
    """
    begin = len(head) - 1  # without its last byte, the map of no arrays
    length = begin + frame.length
    if length > len(memory):
        raise InvalidRequestError("memory", len(memory), f"at least {length} bytes")
    memory[:begin] = head[:-1]
    for start, stop, prefix in frame.prefixes:
        memory[begin + start : begin + stop] = prefix
    arrays = {name: np.ndarray(shape, dtype, memory, begin + start) for name, shape, dtype, start in frame.arrays}
    return arrays, length


def _frame(shapes: Shapes) -> _Frame:
    """Return the frame of a message whose arrays have these shapes."""
    header = map_header(len(shapes))
    prefixes, arrays = [], []
    start = 0
    for name, dtype, shape in shapes:
        prefix = header + array_prefix(name, dtype, shape)
        data = start + len(prefix)
        prefixes.append((start, data, prefix))
        arrays.append((name, shape, np.dtype(dtype), data))
        start = data + math.prod(shape) * np.dtype(dtype).itemsize
        header = b""
    return _Frame(prefixes, arrays, start)


@lru_cache(maxsize=1024)
def _fixed_frame(layout: Layout, config: SamplerConfig, categories: int, length: int) -> _Frame:
    """Return the frame of a layout whose shapes depend on `length` only, the sides that vary."""
    return _frame(_shapes(layout, config, categories, length))


def _shapes(layout: Layout, config: SamplerConfig, categories: int, length: int) -> Shapes:
    """Return the shapes of a layout's arrays if every side that varies is `length`."""
    return tuple(
        (spec.name, spec.dtype, tuple(side if isinstance(side, int) else length for side in spec.shape))
        for spec in array_table(layout, config, categories)
    )


def largest_message(layout: Layout, config: SamplerConfig, categories: int, boxes: int) -> int:
    """Return an upper bound in bytes for the messages of an image with `boxes` boxes, counted before clipping.

    It is a few dozen bytes above the largest compact or dense message. For the sparse layout, it assumes that each box
    draws as much as any box can.
    """
    jitter = tuple((name, 0.5) for name in JITTER_STEPS)
    place = WIDEST_INTEGER, WIDEST_INTEGER
    recipe = Recipe(1.5, WIDEST_INTEGER, place, True, jitter, (0.5, 0.5, 0.5), substitute=WIDEST_INTEGER)
    key = SampleKey(SEED_LIMIT - 1, EPOCH_LIMIT - 1, INDEX_LIMIT - 1)
    head = len(encode_sample(WireSample(WIDEST_INTEGER, key, recipe, WIDEST_INTEGER, {}))) - 1
    if layout != "sparse":
        return head + _frame(_shapes(layout, config, categories, boxes)).length
    # The longest prefix for each array, and then the values of all planes together, 16 bytes each.
    planes = sum(spec.sparse is not None for spec in array_table("dense", config, categories))
    frame = _frame(_shapes(layout, config, categories, WIDEST_LENGTH)).length - planes * WIDEST_LENGTH * 16
    return head + frame + 16 * family_of(config).most_sparse_values(config, categories, boxes)
