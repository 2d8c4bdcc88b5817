"""The loops over pixels, cells, boxes and words as a set: NumPy's are always there, compiled ones where Numba is.

All sets give the same bytes; a test holds them to that. So which one runs is no part of a sample's identity.
"""

import functools
import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sampler.config.schema import SamplerConfig
from sampler.ops.boxes import Boxes, Frame, clip, frame_boxes
from sampler.ops.colour import ColourMatrix, apply_colour, channel_sums
from sampler.ops.gaussian import stamp_bumps
from sampler.ops.resize import Image, fill_canvas, paste_resized
from sampler.ops.targets import draw_batch_targets
from sampler.stream.keys import random_words

Pair = tuple[int, int]
PasteResized = Callable[[Image, Pair, Pair, Pair, bool, Image], None]
ApplyColour = Callable[[Image, ColourMatrix, NDArray[np.float32] | None], NDArray[np.float32]]
ChannelSums = Callable[[Image], tuple[int, int, int]]
FillCanvas = Callable[[Image, Pair, Pair, Pair, Pair, bool, Image], tuple[int, int, int]]
DrawTargets = Callable[[Boxes, NDArray[np.bool_], NDArray[np.int64], SamplerConfig, Mapping[str, NDArray[Any]]], None]
ClipBoxes = Callable[[Boxes, float, float, float, float], tuple[Boxes, NDArray[np.intp]]]
FrameBoxes = Callable[[Boxes, Frame], tuple[Boxes, NDArray[np.bool_], NDArray[np.intp], int]]
RandomWords = Callable[[int, int, int, int, int], NDArray[np.uint64]]
StampBumps = Callable[[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64], bool], None]


@dataclass(frozen=True, slots=True)
class Kernels:
    """One implementation of each loop; the NumPy functions of the same names say what it does."""

    paste_resized: PasteResized
    apply_colour: ApplyColour
    channel_sums: ChannelSums
    fill_canvas: FillCanvas
    stamp_bumps: StampBumps
    draw_targets: DrawTargets
    clip_boxes: ClipBoxes
    frame_boxes: FrameBoxes
    random_words: RandomWords


PLAIN = Kernels(
    paste_resized,
    apply_colour,
    channel_sums,
    fill_canvas,
    stamp_bumps,
    draw_batch_targets,
    clip,
    frame_boxes,
    random_words,
)
"""NumPy's."""


@functools.cache
def fastest_kernels() -> Kernels:
    """Return the compiled set where Numba is installed, NumPy's otherwise.

    What is compiled on the first call of each kernel is kept on disk, for the processes to come, where a folder for it
    can be written: `sampler.kernels.compiled.crop.warm_up` says where.
    """
    if importlib.util.find_spec("numba") is None:
        return PLAIN
    # By name, for Numba is an optional part that takes a second to import: who does not render need not have it.
    module = importlib.import_module("sampler.kernels.compiled.crop")
    module.keep_all()
    compiled: Kernels = module.COMPILED
    return compiled
