"""The three layouts of a sample and the conversions between them.

    Sample ──→ compact ──→ dense ←──→ sparse
                  └───────────────────→

Every path leads to the same dense arrays, to the last bit: there is one renderer, which runs on the sending or the
receiving side, depending on the layout.
"""

from collections.abc import Sequence

import numpy as np

from sampler.array_table import allocate, array_table, dense_table
from sampler.arrays import ArrayMap, Arrays, Layout
from sampler.config_schema import SamplerConfig
from sampler.kernels.interface import Kernels
from sampler.kernels.reference import REFERENCE
from sampler.layouts.render import fill_backgrounds, render_batch, render_targets
from sampler.sample.sample import Sample


def compact(sample: Sample) -> Arrays:
    """Return the compact arrays of a sample, those of `sampler.array_table.compact_table`."""
    objects = sample.objects.astype(np.uint8)
    return {"crop": sample.crop, "colour": sample.colour, "boxes": sample.boxes, "objects": objects}


def render(arrays: ArrayMap, config: SamplerConfig, out: ArrayMap, kernels: Kernels = REFERENCE) -> None:
    """Render compact arrays into `out`, one sample's dense arrays filled with their backgrounds."""
    kernels.apply_colour(arrays["crop"], arrays["colour"], out["images"])
    boxes, objects = arrays["boxes"], arrays["objects"]
    batch = {name: array[None] for name, array in out.items()}
    render_targets(boxes, objects, np.array([0, len(boxes)]), config, batch, kernels)


def compact_to_dense(arrays: ArrayMap, config: SamplerConfig, categories: int, kernels: Kernels = REFERENCE) -> Arrays:
    """Return the dense arrays of compact ones."""
    dense = allocate(config, categories)
    render(arrays, config, dense, kernels)
    return dense


def dense_to_sparse(dense: ArrayMap, config: SamplerConfig, categories: int) -> Arrays:
    """Return dense arrays with ascending coordinates and values in place of each sparse plane array."""
    sparse: Arrays = {}
    for spec in dense_table(config, categories):
        array = dense[spec.name]
        if spec.sparse is None:
            sparse[spec.name] = array
            continue
        flat = np.flatnonzero(array.ravel() != np.float32(spec.background))
        places = np.stack(np.unravel_index(flat, array.shape), axis=1).astype(np.int32)
        sparse[f"{spec.name}_idx"], sparse[f"{spec.name}_val"] = places, array.ravel()[flat]
    return sparse


def compact_to_sparse(arrays: ArrayMap, config: SamplerConfig, kernels: Kernels = REFERENCE) -> Arrays:
    """Return the sparse arrays of compact ones.

    Only the planes of the categories that occur are rendered: few of many.
    """
    present, renumbered = np.unique(arrays["boxes"][:, 4], return_inverse=True)
    boxes = arrays["boxes"].copy()
    boxes[:, 4] = renumbered + 1
    count = max(1, len(present))
    sparse = dense_to_sparse(compact_to_dense({**arrays, "boxes": boxes}, config, count, kernels), config, count)
    for spec in dense_table(config, count):
        if spec.sparse is not None:
            places = sparse[f"{spec.name}_idx"]
            places[:, 0] = present[places[:, 0]] - 1
    return sparse


def scatter(arrays: ArrayMap, config: SamplerConfig, out: ArrayMap) -> None:
    """Write sparse arrays into `out`, one sample's dense arrays filled with their backgrounds.

    Coordinates must lie inside the planes; the reader of the wire format checks those that it receives.
    """
    for spec in dense_table(config, 1):
        if spec.sparse is None:
            out[spec.name][...] = arrays[spec.name]
        else:
            category, y, x = arrays[f"{spec.name}_idx"].T
            out[spec.name][category, y, x] = arrays[f"{spec.name}_val"]


def lay_out(
    sample: Sample, layout: Layout, config: SamplerConfig, categories: int, kernels: Kernels = REFERENCE
) -> Arrays:
    """Return a sample's arrays in a layout, in the order of its array table."""
    arrays = compact(sample)
    if layout == "dense":
        arrays = compact_to_dense(arrays, config, categories, kernels)
    elif layout == "sparse":
        arrays = compact_to_sparse(arrays, config, kernels)
    return {spec.name: arrays[spec.name] for spec in array_table(layout, config, categories)}


def unpack_batch(
    samples: Sequence[ArrayMap], layout: Layout, config: SamplerConfig, out: ArrayMap, kernels: Kernels = REFERENCE
) -> None:
    """Write B samples, all in one layout, into the dense arrays `out`: a leading axis of B, any content."""
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
        dense = {name: array[row] for name, array in out.items()}
        if layout == "sparse":
            scatter(arrays, config, dense)
        else:
            for name, array in dense.items():
                array[...] = arrays[name]
