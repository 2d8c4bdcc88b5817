"""The loops over pixels as a set that can be exchanged: NumPy's are always there, compiled ones where Numba is.

All sets give the same bytes; a test holds them to that. So which one runs is no part of a sample's identity.
"""

import functools
import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sampler.colour import ColourMatrix, apply_colour, channel_sums
from sampler.gaussian import stamp_bumps
from sampler.resize import Image, fill_canvas, paste_resized

Pair = tuple[int, int]
PasteResized = Callable[[Image, Pair, Pair, Pair, bool, Image], None]
ApplyColour = Callable[[Image, ColourMatrix, NDArray[np.float32] | None], NDArray[np.float32]]
ChannelSums = Callable[[Image], tuple[int, int, int]]
FillCanvas = Callable[[Image, Pair, Pair, Pair, Pair, bool, Image], tuple[int, int, int]]
StampBumps = Callable[[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64], bool], None]


@dataclass(frozen=True, slots=True)
class Kernels:
    """One implementation of each loop; the NumPy functions of the same names say what it does."""

    paste_resized: PasteResized
    apply_colour: ApplyColour
    channel_sums: ChannelSums
    fill_canvas: FillCanvas
    stamp_bumps: StampBumps


PLAIN = Kernels(paste_resized, apply_colour, channel_sums, fill_canvas, stamp_bumps)
"""NumPy's."""


@functools.cache
def fastest_kernels() -> Kernels:
    """Return the compiled set where Numba is installed, NumPy's otherwise.

    What is compiled on the first call of each kernel is kept on disk, for the processes to come, where a folder for it
    can be written: `sampler.compiled_kernels.warm_up` says where.
    """
    if importlib.util.find_spec("numba") is None:
        return PLAIN
    # By name, for Numba is an optional part that takes a second to import: who does not render need not have it.
    module = importlib.import_module("sampler.compiled_kernels")
    module.keep_all()
    compiled: Kernels = module.COMPILED
    return compiled
