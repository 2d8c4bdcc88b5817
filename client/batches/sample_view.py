"""One sample of a batch, as people look at it: pixels and corners in host memory, whatever device the batch is on."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.errors import ClientError
from client.optional_module import optional_module
from sampler.config_schema import SamplerConfig
from sampler.families.registry import family_of
from sampler.ops.targets import grid_ratios
from sampler.stream.keys import SampleKey


@dataclass(frozen=True, eq=False, slots=True)
class SampleView:
    """What a picture of a sample shows. n is the number of its boxes, k that of its objects with corners.

    Attributes:
        key: of the sample.
        image: (S, S, 3) uint8 RGB.
        boxes: (n, 4) float32, x0, y0, x1, y1 in pixels of the image.
        labels: (n,) int64 category planes, from 0.
        objects: (n,) bool, False for ignored boxes.
        names: n names of categories.
        top_left: (k, 2) float32, x and y of corners in pixels of the image.
        bottom_right: (k, 2) float32, x and y of corners in pixels of the image.
    """

    key: SampleKey
    image: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    objects: NDArray[np.bool_]
    names: tuple[str, ...]
    top_left: NDArray[np.float32]
    bottom_right: NDArray[np.float32]


def pictures_module() -> Any:
    """Return `client.batches.pictures`, which loads Pillow. Raises the errors of `optional_module`."""
    return optional_module("client.batches.pictures", "PIL", "pictures")


def in_host_memory(array: Any) -> NDArray[Any]:
    """Return a NumPy array, or a tensor on any device, as a NumPy array; floats of a tensor as float32.

    Raises:
        ClientError: the tensor has no values: see `require_values`.
    """
    if isinstance(array, np.ndarray):
        return array
    require_values(array)
    tensor = array.detach().cpu()
    # NumPy has no bfloat16.
    values: NDArray[Any] = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    return values


def require_values(tensor: Any) -> None:
    """Raise `ClientError` for a tensor on PyTorch's device "meta", which has a shape but no values."""
    if tensor.is_meta:
        raise ClientError('this batch has no values, because it is on the device "meta": use a batch on another device')


def pixels_of(image: NDArray[np.float32], config: SamplerConfig) -> NDArray[np.uint8]:
    """Return (S, S, 3) uint8 RGB pixels of a (3, S, S) normalised BGR image. Values outside 0 … 255 are clipped."""
    mean, std = (np.array(values, np.float32)[:, None, None] for values in (config.mean, config.std))
    pixels = np.rint((image * std + mean) * 255).clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(pixels[::-1].transpose(1, 2, 0))


def corners_of(
    arrays: dict[str, Any], sample: int, config: SamplerConfig
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the top-left and the bottom-right corners of a sample, as its targets have them.

    These are the corners that a detector learns: those of the objects that have tags and offsets.

    Args:
        arrays: of the batch.
        sample: 0 … B−1.
        config: of the batch.

    Returns:
        (n, 2) float32 each, x and y in pixels of the crop; n = 0 if the targets of the family have no corners.
    """
    names = family_of(config).corner_names(config)
    if names is None:
        nothing = np.zeros((0, 2), np.float32)
        return nothing, nothing
    has_object = in_host_memory(arrays[names.tag_masks][sample]).astype(np.bool_)
    found = []
    for corner, _ in names.corners:
        tags, offsets = (in_host_memory(arrays[name][sample])[has_object] for name in (corner.tags, corner.regrs))
        y, x = np.divmod(tags, config.output_size[1])
        found.append((np.stack([x, y], axis=1) + offsets).astype(np.float32) / grid_ratios(config))
    top_left, bottom_right = found
    return top_left, bottom_right
