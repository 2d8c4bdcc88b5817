"""The compiled implementation of all kernels, and its warm-up.

The loops do the operations of NumPy's implementation (`sampler.kernels.reference`) in the same order and precision,
without fast-math or fused multiply-add, so every CPU computes the same bytes. What they save is passes over memory.
Their machine code comes from the code cache (`sampler.kernels.compiled.code_cache`). Numba compiles it in a process of
its own, which takes seconds.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from sampler.arrays import Arrays
from sampler.config_schema import AttentionMap, SamplerConfig
from sampler.kernels.compiled import boxes, canvas, colour, crop, jpeg_scan, jpeg_table, jpeg_window, philox, targets
from sampler.kernels.compiled.code_cache import CODE, warn_of_compiling
from sampler.kernels.compiled.jit import Kernel
from sampler.kernels.interface import Kernels
from sampler.kernels.jpeg_loops import JpegLoops
from sampler.ops.boxes import Boxes, Frame
from sampler.ops.targets import CornerNames, TargetNames

MODULES = (philox, boxes, crop, canvas, colour, targets, jpeg_scan, jpeg_table, jpeg_window)


class CompiledKernels:
    """The functions of `MODULES` as kernels."""

    random_bits = staticmethod(philox.random_bits)
    clip_boxes = staticmethod(boxes.clip_boxes)
    frame_boxes = staticmethod(boxes.frame_boxes)
    fill_canvas = staticmethod(crop.fill_canvas)
    resize_canvas = staticmethod(canvas.resize_canvas)
    apply_colour = staticmethod(colour.apply_colour)
    draw_targets = staticmethod(targets.draw_targets)


class CompiledJpegLoops:
    """The loops for JPEG data."""

    scan = staticmethod(jpeg_scan.scan)
    pack = staticmethod(jpeg_table.pack)
    is_valid = staticmethod(jpeg_table.is_valid)
    copy_window = staticmethod(jpeg_window.copy_window)


COMPILED: Kernels = CompiledKernels()
JPEG_LOOPS: JpegLoops = CompiledJpegLoops()

EXPORTED: tuple[Kernel, ...] = tuple(kernel for module in MODULES for kernel in module.KERNELS)
"""Every compiled function that Python calls."""


def warm_up(fallback: Path | None = None, on_compile: Callable[[], None] = warn_of_compiling) -> None:
    """Compile all kernels, or load them from the code cache, so that the first sample is not delayed.

    Args:
        fallback: Folder for compiled code if neither this folder nor the user's cache (or NUMBA_CACHE_DIR) is
            writable, as in a read-only container.
        on_compile: Called before the kernels are compiled, which may take a minute on a slow or busy host. By
            default, a warning is logged.
    """
    CODE.functions(fallback, on_compile)
    exercise()


def exercise() -> None:
    """Call each kernel once, with arguments of the types that it gets."""
    one_box, pixels = np.array([[1, 1, 9, 9, 1]], np.float32), np.zeros((8, 8, 3), np.uint8)
    COMPILED.random_bits(1, 1, 1, 1, 5)
    COMPILED.clip_boxes(one_box, 0, 0, 9, 9)
    COMPILED.frame_boxes(one_box, Frame((50, 50), np.float32(1), (0, 0), (0, 0, 49, 49), None, 1))
    COMPILED.fill_canvas(pixels[:4, :4], (9, 9), (0, 0), (4, 4), (2, 2), True, pixels)
    COMPILED.resize_canvas(pixels, (9, 9), (0, 0), (4, 4), (2, 2), True, pixels)
    COMPILED.apply_colour(pixels, np.zeros((3, 4), np.float32))
    _draw_one_box(one_box)
    _read_no_jpeg()


def _read_no_jpeg() -> None:
    data, table, none = np.frombuffer(bytes(8), np.uint8), np.frombuffer(bytes(64), np.uint8), (0, 0)
    codes, layout = np.frombuffer(bytes(144), np.uint32), (1, 1, 1, 1, 1, 1, 1, 1)
    JPEG_LOOPS.scan(data, 0, [(0, 0, 0)], np.frombuffer(bytes(272), np.uint8).reshape(1, 272), (1, 1, 1, 1))
    JPEG_LOOPS.pack(np.zeros((1, 2, 6), np.int64), 1, 0, layout, 64)
    JPEG_LOOPS.is_valid(table, codes, layout, 1)
    JPEG_LOOPS.copy_window(data, table, codes, layout, (*none, *none), none, 0, 0, b"")


def _draw_one_box(boxes: Boxes) -> None:
    config = SamplerConfig(
        kind="warm-up", name="warm-up", input_size=(16, 16), output_size=(4, 4), rand_scales=(1.0,), gaussian_iou=0.5,
        rand_crop=True, max_objects=1, attention=(AttentionMap((4, 4), 4, (0, 16)),),
    )  # fmt: skip
    corner = CornerNames("planes", "regrs", "tags", "planes")
    names = TargetNames(corner, corner, "masks", ("planes",))
    out: Arrays = {
        "planes": np.zeros((1, 1, 4, 4), np.float32), "regrs": np.zeros((1, 1, 2), np.float32),
        "tags": np.zeros((1, 1), np.int64), "masks": np.zeros((1, 1), np.uint8),
    }  # fmt: skip
    COMPILED.draw_targets(boxes, np.ones(1, np.bool_), np.array([0, 1]), config, names, out)
