"""The compact arrays of a whole batch, for receivers that render elsewhere: on a GPU, for example."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sampler.arrays import Arrays, ArraySpec
from sampler.config.schema import SamplerConfig
from sampler.errors import InvalidRequestError


@dataclass(frozen=True, eq=False, slots=True)
class CompactBatch:
    """What B samples are before rendering; S is the input side, M the number of boxes in all samples together.

    crops     (B, S, S, 3)  uint8    pixels after scale, crop and flip, channels B, G, R
    colours   (B, 3, 4)     float32  matrix from a pixel (B, G, R, 1) to the normalised image
    boxes     (M, 5)        float32  x0, y0, x1, y1 in crop pixels, category 1…C; sample after sample
    objects   (M,)          uint8    1 for an object, 0 for an ignored box
    starts    (B + 1,)      int64    the boxes of sample b are rows starts[b] … starts[b + 1] − 1

    All are C-contiguous and read-only. They may share memory with the packed batch they are of, and keep it alive.
    """

    crops: NDArray[np.uint8]
    colours: NDArray[np.float32]
    boxes: NDArray[np.float32]
    objects: NDArray[np.uint8]
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        """B, the number of samples."""
        return len(self.crops)


def compact_batch(
    samples: Sequence[Mapping[str, NDArray[Any]]], stacks: Mapping[str, NDArray[Any]], config: SamplerConfig
) -> CompactBatch:
    """Return the compact arrays of B samples. stacks: those that lie beneath one another already, (B, …) each."""
    boxes = [sample["boxes"] for sample in samples]
    starts = np.zeros(len(samples) + 1, np.int64)
    np.cumsum([len(rows) for rows in boxes], out=starts[1:])
    crops, colours = stacks.get("crop"), stacks.get("colour")
    if crops is None or colours is None:
        crops = _stacked([sample["crop"] for sample in samples], (*config.input_size, 3), np.uint8)
        colours = _stacked([sample["colour"] for sample in samples], (3, 4), np.float32)
    return CompactBatch(
        crops=_read_only(crops),
        colours=_read_only(colours),
        boxes=_read_only(np.concatenate([np.zeros((0, 5), np.float32), *boxes])),
        objects=_read_only(np.concatenate([np.zeros(0, np.uint8), *(sample["objects"] for sample in samples)])),
        starts=_read_only(starts),
    )


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view


def _stacked(arrays: list[NDArray[Any]], shape: tuple[int, ...], dtype: type) -> NDArray[Any]:
    return np.stack(arrays) if arrays else np.zeros((0, *shape), dtype)


def require_room(out: Mapping[str, NDArray[Any]], table: Sequence[ArraySpec], count: int) -> Arrays:
    """Return `out` as a dict in the order of `table`, every array checked to be (count, …) of the table's dtype.

    Raises `InvalidRequestError` naming the array that is missing, too many, read-only, or of another dtype or shape.
    """
    names = [spec.name for spec in table]
    if set(out) != set(names):
        raise InvalidRequestError("out", sorted(out), f"exactly the arrays {', '.join(names)}")
    for spec in table:
        array, shape = out[spec.name], (count, *spec.shape)
        if not isinstance(array, np.ndarray) or (array.dtype.str, array.shape) != (spec.dtype, shape):
            found = f"{array.dtype.str} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
            raise InvalidRequestError(f"out[{spec.name!r}]", found, f"an array of dtype {spec.dtype} and shape {shape}")
        if not array.flags.writeable:
            raise InvalidRequestError(f"out[{spec.name!r}]", "read-only", "an array that may be written")
    return {name: out[name] for name in names}
