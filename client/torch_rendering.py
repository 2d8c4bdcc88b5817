"""Rendering a batch into PyTorch tensors, on the device of its crops.

Pixels and planes, the bulk of a batch, are never in host memory. NumPy computes the cells, radii and offsets of boxes
with the operations of `sampler.ops.targets`, so that every integer is the same; they are sent to the device in a few
small tensors, without waiting for it. No step loops over pixels, boxes or categories. The targets of detector families
without corners are drawn by NumPy and copied to the device.

This module needs torch: `pip install 'saccade-sampler[torch]'`.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sampler.array_table import allocate
from sampler.config_schema import SamplerConfig
from sampler.families.registry import family_of
from sampler.layouts.render import render_targets
from sampler.ops.boxes import Boxes
from sampler.ops.gaussian import bump
from sampler.ops.targets import Corners, TargetNames, attention_cells, locate_corners, rows_of_objects

Tensors = dict[str, Any]

CELLS_AT_ONCE = 1 << 24
"""Cells of bumps that are drawn by one scatter. The bumps of a usual batch are far fewer."""


def render_tensors(
    crops: Any,
    colours: Any,
    boxes: Boxes,
    objects: NDArray[Any],
    starts: NDArray[np.int64],
    config: SamplerConfig,
    categories: int,
) -> Tensors:
    """Return the dense arrays of B samples as tensors on the device of `crops`, by their names in the array table.

    Integers, zeros and ones are those of NumPy's rendering; other floats are within 1e-5 of it. Values are not checked:
    see `sampler.wire.reader`.

    Args:
        crops: (B, S, S, 3) uint8 tensor.
        colours: (B, 3, 4) float32, a tensor or an array.
        boxes: (M, 5) float32 boxes of all samples, concatenated, in crop pixels.
        objects: (M,) 0 for ignored boxes.
        starts: (B + 1,) int64: sample b has rows starts[b] to starts[b + 1] of `boxes` and `objects`.
        config: The config of the samples.
        categories: C, the number of categories of the dataset.
    """
    device = crops.device
    images = {"images": _images(crops, torch.as_tensor(colours).to(device, non_blocking=True))}
    names = family_of(config).corner_names(config)
    if names is None:
        targets = allocate(config, categories, len(crops))
        del targets["images"]
        render_targets(boxes, objects, starts, config, targets)
        return images | {name: torch.from_numpy(array).to(device) for name, array in targets.items()}
    out = images | _backgrounds(config, categories, len(crops), device)
    if len(boxes):
        samples = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        chosen = objects.astype(np.bool_)
        corners = locate_corners(boxes, config)
        _draw_bumps(corners, boxes[:, 4].astype(np.int64) - 1, chosen, samples, names, out)
        _draw_tags(corners, chosen, samples, config, names, out)
        _draw_attention(boxes, samples, config, names, out)
    return out


def _backgrounds(config: SamplerConfig, categories: int, batch: int, device: Any) -> Tensors:
    tensors: Tensors = {}
    for spec in family_of(config).target_specs(config, categories):
        dtype, shape = getattr(torch, np.dtype(spec.dtype).name), (batch, *(int(side) for side in spec.shape))
        tensors[spec.name] = torch.full(shape, spec.background, dtype=dtype, device=device)
    return tensors


def _images(crops: Any, colours: Any) -> Any:
    """Return (B, 3, S, S) float32, each pixel times its sample's matrix.

    Elementwise and in NumPy's order: a matrix product may run in TF32, which is only accurate to 1e-3.
    """
    pixels = crops.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
    weights = colours[:, :, :, None, None]
    image = pixels[:, 0:1] * weights[:, :, 0]
    for channel in (1, 2):
        image.addcmul_(pixels[:, channel : channel + 1], weights[:, :, channel])
    return image.add_(weights[:, :, 3])


def _draw_bumps(
    corners: Corners,
    categories: NDArray[np.int64],
    objects: NDArray[np.bool_],
    samples: NDArray[np.int64],
    names: TargetNames,
    out: Tensors,
) -> None:
    """Draw the bumps of a corner by one scatter over the flattened planes, and clear ignored boxes by another."""
    for corner, x in names.corners:
        places = np.stack([samples, categories, corners.cells[:, x + 1], corners.cells[:, x]], axis=1)
        for some in _parts(np.flatnonzero(objects), corners.radii):
            cells, values, inside = _windows(places[some], corners.radii[some], out[corner.heats])
            # Outside its square a window has 0, which raises nothing, wherever it lands.
            out[corner.heats].view(-1).scatter_reduce_(0, cells, values * inside, "amax")
        if corner.valids is None:
            continue
        planes = out[corner.valids]
        for some in _parts(np.flatnonzero(~objects), corners.radii):
            cells, _, inside = _windows(places[some], corners.radii[some], planes)
            planes.view(-1).scatter_reduce_(0, cells, 1 - inside.to(planes.dtype), "amin")


def _parts(boxes: NDArray[np.intp], radii: NDArray[np.int64]) -> Iterator[NDArray[np.intp]]:
    """Yield numbers of boxes, as many at once as `CELLS_AT_ONCE` allows; nothing if there are none."""
    if not len(boxes):
        return
    reach = int(radii[boxes].max())
    count = max(1, CELLS_AT_ONCE // (2 * reach + 1) ** 2)
    for start in range(0, len(boxes), count):
        yield boxes[start : start + count]


def _windows(places: NDArray[np.int64], radii: NDArray[np.int64], planes: Any) -> tuple[Any, Any, Any]:
    """Return cells, values and which of them count, each flat over (n, 2R+1, 2R+1) windows of the largest radius R.

    Cells are positions in the flattened `planes` (B, C, h, w). Those outside the plane or the bump's own square do not
    count; they are some other cell of the plane.
    """
    device, (height, width) = planes.device, planes.shape[2:]
    distinct, which = np.unique(radii, return_inverse=True)
    reach = int(distinct[-1])
    bumps = np.zeros((len(distinct), 2 * reach + 1, 2 * reach + 1), np.float32)
    for number, radius in enumerate(distinct.tolist()):
        margin = slice(reach - radius, reach + radius + 1)
        bumps[number, margin, margin] = bump(radius)
    sample, category, y, x, kind = (
        torch.from_numpy(np.ascontiguousarray(column)).to(device, non_blocking=True)[:, None, None]
        for column in (*places.T, which.reshape(-1))
    )
    values = torch.from_numpy(bumps).to(device, non_blocking=True)[kind[:, 0, 0]]
    steps = torch.arange(-reach, reach + 1, device=device)
    rows, columns = y + steps[:, None], x + steps
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width) & (values > 0)
    plane = sample * planes.shape[1] + category
    cells = (plane * height + rows.clamp(0, height - 1)) * width + columns.clamp(0, width - 1)
    return cells.reshape(-1), values.reshape(-1), inside.reshape(-1)


def _draw_tags(
    corners: Corners,
    objects: NDArray[np.bool_],
    samples: NDArray[np.int64],
    config: SamplerConfig,
    names: TargetNames,
    out: Tensors,
) -> None:
    owners = samples[objects]
    rows = rows_of_objects(owners)
    has_row = rows < config.max_objects
    masks = out[names.tag_masks]

    def send(array: NDArray[Any]) -> Any:
        return torch.from_numpy(np.ascontiguousarray(array)).to(masks.device, non_blocking=True)

    where = send(owners[has_row]), send(rows[has_row])
    cells, offsets = corners.cells[objects][has_row], corners.offsets[objects][has_row]
    for corner, x in names.corners:
        out[corner.regrs].index_put_(where, send(offsets[:, x : x + 2]))
        out[corner.tags].index_put_(where, send(cells[:, x + 1] * config.output_size[1] + cells[:, x]))
    masks.index_put_(where, masks.new_ones(()))


def _draw_attention(
    boxes: Boxes, samples: NDArray[np.int64], config: SamplerConfig, names: TargetNames, out: Tensors
) -> None:
    for number, name in enumerate(names.attentions):
        chosen, rows, columns = attention_cells(boxes, number, config)
        target = out[name]
        owners, rows_at, columns_at = (
            torch.from_numpy(array).to(target.device, non_blocking=True) for array in (samples[chosen], rows, columns)
        )
        target[:, 0].index_put_((owners, rows_at, columns_at), target.new_ones(()))
