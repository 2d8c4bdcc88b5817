"""The compiled implementation of all kernels, and its warm-up.

The loops do the operations of NumPy's implementation (`sampler.kernels.reference`) in the same order and precision,
without fast-math or fused multiply-add, so every CPU computes the same bytes. What they save is passes over memory.
A kernel is compiled when it is first called, which takes seconds, or loaded from the code cache.
"""

from pathlib import Path

from sampler.kernels.compiled import boxes, colour, crop, philox, targets
from sampler.kernels.compiled.code_cache import discard_stale, enable_cache
from sampler.kernels.interface import Kernels

MODULES = (philox, boxes, crop, colour, targets)


class CompiledKernels:
    """The functions of `MODULES` as kernels."""

    random_bits = staticmethod(philox.random_bits)
    clip_boxes = staticmethod(boxes.clip_boxes)
    frame_boxes = staticmethod(boxes.frame_boxes)
    fill_canvas = staticmethod(crop.fill_canvas)
    apply_colour = staticmethod(colour.apply_colour)
    draw_targets = staticmethod(targets.draw_targets)


COMPILED: Kernels = CompiledKernels()

ENTRY_POINTS = tuple(kernel for module in MODULES for kernel in module.KERNELS)
"""Every compiled function that Python calls."""


def enable_code_cache(fallback: Path | None = None) -> None:
    """Cache compiled code on disk, and use what earlier processes cached; compile nothing yet.

    Args:
        fallback: Folder to use if neither this folder nor the user's cache is writable.
    """
    for kernel in ENTRY_POINTS:
        enable_cache(kernel, fallback)
    folder = ENTRY_POINTS[0].stats.cache_path
    if folder:
        discard_stale(Path(folder))


def warm_up(fallback: Path | None = None) -> None:
    """Compile every kernel, or load it from the code cache, so that the first sample is not delayed.

    Args:
        fallback: Folder for compiled code if neither this folder nor the user's cache (or NUMBA_CACHE_DIR) is
            writable, as in a read-only container.
    """
    enable_code_cache(fallback)
    for module in MODULES:
        module.warm_up()
