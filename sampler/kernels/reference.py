"""The reference implementation of all kernels, in NumPy."""

from sampler.kernels.interface import Kernels
from sampler.ops import boxes, colour, resize, targets
from sampler.rng import philox


class NumpyKernels:
    """The functions of `sampler.ops` as kernels."""

    random_bits = staticmethod(philox.random_bits)
    clip_boxes = staticmethod(boxes.clip)
    frame_boxes = staticmethod(boxes.frame_boxes)
    fill_canvas = staticmethod(resize.fill_canvas)
    resize_canvas = staticmethod(resize.resize_canvas)
    apply_colour = staticmethod(colour.apply_colour)
    draw_targets = staticmethod(targets.draw_targets)


REFERENCE: Kernels = NumpyKernels()
