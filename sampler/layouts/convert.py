"""The three layouts of a sample, and the ways between them.

    Sample ──→ compact ──→ dense ←──→ sparse
                  └───────────────────→

Every way leads to the very same dense arrays, to the last bit: there is one renderer, and it runs on whichever
side of the wire the layout asks for.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sampler.array_table import Arrays, Layout, allocate, array_table, dense_table, heat_names
from sampler.config.schema import SamplerConfig
from sampler.kernels.interface import PLAIN, Kernels
from sampler.layouts.render import fill_backgrounds, render_batch
from sampler.sample.sample import Sample


def compact(sample: Sample) -> Arrays:
    """Return the compact arrays of a sample, as `sampler.array_table.compact_table` lists them."""
    return {
        "crop": sample.crop,
        "colour": sample.colour,
        "boxes": sample.boxes,
        "objects": sample.objects.astype(np.uint8),
    }


def render(
    arrays: Mapping[str, NDArray[Any]],
    config: SamplerConfig,
    out: Mapping[str, NDArray[Any]],
    kernels: Kernels = PLAIN,
) -> None:
    """Render compact arrays into `out`: one sample's dense arrays at their backgrounds."""
    kernels.apply_colour(arrays["crop"], arrays["colour"], out["images"])
    boxes, objects = arrays["boxes"], arrays["objects"].astype(np.bool_)
    batch = {name: array[None] for name, array in out.items()}
    kernels.draw_targets(boxes, objects, np.array([0, len(boxes)]), config, batch)


def compact_to_dense(
    arrays: Mapping[str, NDArray[Any]], config: SamplerConfig, categories: int, kernels: Kernels = PLAIN
) -> Arrays:
    """Return the dense arrays that compact ones stand for."""
    dense = allocate(config, categories)
    render(arrays, config, dense, kernels)
    return dense


def dense_to_sparse(dense: Mapping[str, NDArray[Any]], config: SamplerConfig, categories: int) -> Arrays:
    """Return dense arrays with each heatmap and valid mask as ascending coordinates and values."""
    sparse: Arrays = {}
    for spec in dense_table(config, categories):
        array = dense[spec.name]
        if spec.name not in heat_names(config):
            sparse[spec.name] = array
            continue
        flat = np.flatnonzero(array.ravel() != np.float32(spec.background))
        places = np.stack(np.unravel_index(flat, array.shape), axis=1).astype(np.int32)
        sparse[f"{spec.name}_idx"], sparse[f"{spec.name}_val"] = places, array.ravel()[flat]
    return sparse


def compact_to_sparse(arrays: Mapping[str, NDArray[Any]], config: SamplerConfig, kernels: Kernels = PLAIN) -> Arrays:
    """Return the sparse arrays that compact ones stand for.

    They are rendered onto the planes of those categories that are there: few of many, and the rest holds nothing.
    """
    present, renumbered = np.unique(arrays["boxes"][:, 4], return_inverse=True)
    boxes = arrays["boxes"].copy()
    boxes[:, 4] = renumbered + 1
    count = max(1, len(present))
    sparse = dense_to_sparse(compact_to_dense({**arrays, "boxes": boxes}, config, count, kernels), config, count)
    for name in heat_names(config):
        places = sparse[f"{name}_idx"]
        places[:, 0] = present[places[:, 0]] - 1
    return sparse


def scatter(arrays: Mapping[str, NDArray[Any]], config: SamplerConfig, out: Mapping[str, NDArray[Any]]) -> None:
    """Write sparse arrays into `out`: one sample's dense arrays at their backgrounds.

    Coordinates must lie inside the planes; `sampler.wire.messages` checks those that come from outside.
    """
    for name, array in out.items():
        if name in heat_names(config):
            category, y, x = arrays[f"{name}_idx"].T
            array[category, y, x] = arrays[f"{name}_val"]
        else:
            array[...] = arrays[name]


def sparse_to_dense(arrays: Mapping[str, NDArray[Any]], config: SamplerConfig, categories: int) -> Arrays:
    """Return the dense arrays that sparse ones stand for."""
    dense = allocate(config, categories)
    scatter(arrays, config, dense)
    return dense


def lay_out(sample: Sample, layout: Layout, config: SamplerConfig, categories: int, kernels: Kernels = PLAIN) -> Arrays:
    """Return a sample's arrays in a layout, in the order of its array table."""
    arrays = compact(sample)
    if layout == "dense":
        arrays = compact_to_dense(arrays, config, categories, kernels)
    elif layout == "sparse":
        arrays = compact_to_sparse(arrays, config, kernels)
    return {spec.name: arrays[spec.name] for spec in array_table(layout, config, categories)}


def unpack_into(
    arrays: Mapping[str, NDArray[Any]], layout: Layout, config: SamplerConfig, out: Mapping[str, NDArray[Any]]
) -> None:
    """Write one sample, in any layout, into its dense arrays `out`, which hold their backgrounds."""
    if layout == "compact":
        render(arrays, config, out)
    elif layout == "sparse":
        scatter(arrays, config, out)
    else:
        for name, array in out.items():
            array[...] = arrays[name]


def unpack_batch(
    samples: Sequence[Mapping[str, NDArray[Any]]],
    layout: Layout,
    config: SamplerConfig,
    out: Mapping[str, NDArray[Any]],
    kernels: Kernels = PLAIN,
) -> None:
    """Write B samples, all in one layout, into the dense arrays `out`, which have B in front and hold anything."""
    if layout == "compact":
        crops, colours = [one["crop"] for one in samples], [one["colour"] for one in samples]
        starts = np.cumsum([0, *(len(one["boxes"]) for one in samples)])
        boxes = np.concatenate([np.empty((0, 5), np.float32), *(one["boxes"] for one in samples)])
        objects = np.concatenate([np.empty(0, np.uint8), *(one["objects"] for one in samples)])
        render_batch(crops, colours, boxes, objects, starts, config, out, kernels)
        return
    if layout == "sparse":
        fill_backgrounds(config, out)
    for row, arrays in enumerate(samples):
        unpack_into(arrays, layout, config, {name: array[row] for name, array in out.items()})
