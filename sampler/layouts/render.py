"""Rendering a batch into existing dense arrays."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sampler.array_table import dense_table
from sampler.arrays import ArrayMap, Floats, Integers
from sampler.config_schema import SamplerConfig
from sampler.families.registry import family_of
from sampler.kernels.interface import Kernels
from sampler.kernels.reference import REFERENCE
from sampler.ops.boxes import Boxes
from sampler.ops.colour import ColourMatrix
from sampler.ops.resize import Image

WORD = 4
"""Bytes of a float32."""


def render_batch(
    crops: Sequence[Image] | NDArray[np.uint8],
    colours: Sequence[ColourMatrix] | Floats,
    boxes: Boxes,
    objects: NDArray[Any],
    starts: Integers,
    config: SamplerConfig,
    out: ArrayMap,
    kernels: Kernels = REFERENCE,
) -> None:
    """Render B samples. Values are not checked; `sampler.wire.reader` checks those that it receives.

    crops: (B, S, S, 3) uint8. colours: (B, 3, 4) float32. boxes, starts: as for
    `sampler.kernels.interface.Kernels.draw_targets`. objects: (M,) 0 for ignored boxes. out: dense arrays with a
    leading axis of B, with any content.
    """
    fill_backgrounds(config, out)
    for image, crop, colour in zip(out["images"], crops, colours, strict=True):
        kernels.apply_colour(crop, colour, image)
    render_targets(boxes, objects, starts, config, out, kernels)


def render_targets(
    boxes: Boxes,
    objects: NDArray[Any],
    starts: Integers,
    config: SamplerConfig,
    out: ArrayMap,
    kernels: Kernels = REFERENCE,
) -> None:
    """Draw the targets of B samples into `out`, which holds the backgrounds. Arguments as for `render_batch`."""
    family_of(config).draw_targets(boxes, objects.astype(np.bool_), starts, config, out, kernels)


def fill_backgrounds(config: SamplerConfig, out: ArrayMap) -> None:
    """Set every dense array in `out` except the images to its background."""
    for name, dtype, background in _backgrounds(config):
        array = out[name]
        flags = array.flags
        if background == 0 and flags.c_contiguous:
            array.reshape(-1).view(np.uint8).fill(0)  # as bytes, in half the time
        elif flags.aligned or not flags.c_contiguous or array.itemsize != WORD:
            array.fill(background)
        else:
            _fill_unaligned(array.reshape(-1).view(np.uint8), np.array(background, dtype).tobytes())


@lru_cache(maxsize=16)
def _backgrounds(config: SamplerConfig) -> list[tuple[str, str, float]]:
    table = dense_table(config, 1)
    return [(spec.name, spec.dtype, spec.background) for spec in table if spec.name != "images"]


def _fill_unaligned(memory: NDArray[np.uint8], pattern: bytes) -> None:
    """Repeat the four bytes of `pattern` over (4·n,) bytes at any address, in aligned words.

    NumPy fills unaligned arrays, such as those inside a message, at half the speed.
    """
    first = -memory.ctypes.data % WORD
    rotated = np.frombuffer(pattern[first:] + pattern[:first], np.uint32)
    memory[:first] = np.frombuffer(pattern[:first], np.uint8)
    whole = (len(memory) - first) // WORD * WORD
    memory[first : first + whole].view(np.uint32).fill(rotated[0])
    memory[first + whole :] = np.frombuffer(rotated.tobytes(), np.uint8)[: len(memory) - first - whole]
