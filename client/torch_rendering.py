"""Rendering a batch into PyTorch tensors, on the device where its crops are.

Pixels and planes, the bulk of it, never exist on the host. What there is of boxes is tiny: their cells, radii and
offsets are found by NumPy, in the operations of `sampler.ops.targets`, so that every integer is the same; they go to
the device in a few small tensors, without waiting for it. No step loops over pixels, boxes or categories.

Import this only where torch is installed: `pip install 'saccade-sampler[torch]'`.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sampler.array_table import dense_table
from sampler.config.schema import SamplerConfig
from sampler.ops.boxes import Boxes
from sampler.ops.gaussian import bump
from sampler.ops.targets import Corners, attention_cells, locate_corners, rows_of_objects

Tensors = dict[str, Any]


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

    crops: (B, S, S, 3) uint8 tensor. colours: (B, 3, 4) float32, a tensor or an array. boxes: (M, 5) float32 in crop
    pixels, of all samples one behind the other. objects: (M,), 0 for an ignored box. starts: (B+1,) int64: sample i has
    the rows starts[i] to starts[i + 1]. categories: C of the dataset.

    Integers and what is 0 or 1 are those of NumPy's rendering; other floats are within 1e-5 of it. No value is checked:
    see `sampler.wire.reader`.
    """
    device = crops.device
    out = {
        spec.name: torch.full(
            (len(crops), *(int(side) for side in spec.shape)),
            spec.background,
            dtype=getattr(torch, np.dtype(spec.dtype).name),
            device=device,
        )
        for spec in dense_table(config, categories)
        if spec.name != "images"
    }
    tensors = {"images": _images(crops, torch.as_tensor(colours).to(device, non_blocking=True)), **out}
    if len(boxes):
        samples = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        chosen = objects.astype(np.bool_)
        corners = locate_corners(boxes, config)
        _draw_bumps(corners, boxes[:, 4].astype(np.int64) - 1, chosen, samples, tensors)
        _draw_tags(corners, chosen, samples, config, tensors)
        _draw_attention(boxes, samples, config, tensors)
    return tensors


def _images(crops: Any, colours: Any) -> Any:
    """Return (B, 3, S, S) float32: each pixel times its sample's matrix.

    Elementwise, in NumPy's order: a matrix product may run in TF32, which comes no nearer than 1e-3.
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
    out: Tensors,
) -> None:
    """Draw all bumps of a kind by one scatter over the flattened planes, and clear the squares of ignored boxes."""
    for corner, x in (("tl", 0), ("br", 2)):
        places = np.stack([samples, categories, corners.cells[:, x + 1], corners.cells[:, x]], axis=1)
        for chosen, name in ((objects, f"{corner}_heats"), (~objects, f"{corner}_valids")):
            if not chosen.any():
                continue
            planes = out[name]
            cells, values, inside = _windows(places[chosen], corners.radii[chosen], planes)
            if name.endswith("_heats"):
                # Outside its square a window has 0, which raises nothing, wherever it lands.
                planes.view(-1).scatter_reduce_(0, cells, values * inside, "amax")
            else:
                planes.view(-1).scatter_reduce_(0, cells, 1 - inside.to(planes.dtype), "amin")


def _windows(places: NDArray[np.int64], radii: NDArray[np.int64], planes: Any) -> tuple[Any, Any, Any]:
    """Return cells, values and which of them count, each flat over (n, 2R+1, 2R+1) windows of the largest radius R.

    cells: places in the flattened `planes` (B, C, h, w). Those outside a plane or a bump's own square do not count,
    and lie at some place of their plane.
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
    corners: Corners, objects: NDArray[np.bool_], samples: NDArray[np.int64], config: SamplerConfig, out: Tensors
) -> None:
    owners = samples[objects]
    rows = rows_of_objects(owners)
    room = rows < config.max_objects
    device = out["tag_masks"].device

    def send(array: NDArray[Any]) -> Any:
        return torch.from_numpy(np.ascontiguousarray(array)).to(device, non_blocking=True)

    where = send(owners[room]), send(rows[room])
    cells, offsets = corners.cells[objects][room], corners.offsets[objects][room]
    for corner, first in (("tl", 0), ("br", 2)):
        out[f"{corner}_regrs"].index_put_(where, send(offsets[:, first : first + 2]))
        tags = cells[:, first + 1] * config.output_size[1] + cells[:, first]
        out[f"{corner}_tags"].index_put_(where, send(tags))
    out["tag_masks"].index_put_(where, out["tag_masks"].new_ones(()))


def _draw_attention(boxes: Boxes, samples: NDArray[np.int64], config: SamplerConfig, out: Tensors) -> None:
    for number in range(len(config.attention)):
        chosen, rows, columns = attention_cells(boxes, number, config)
        target = out[f"attentions_{number}"]
        owners, rows_at, columns_at = (
            torch.from_numpy(array).to(target.device, non_blocking=True) for array in (samples[chosen], rows, columns)
        )
        target[:, 0].index_put_((owners, rows_at, columns_at), target.new_ones(()))
