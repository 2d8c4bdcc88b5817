"""The two ways of making a sample that every peer runs: this project's sampler, and the plain route."""

from collections.abc import Callable
from typing import Any, Literal, get_args

import cv2
import numpy as np

from benchmarks.material import Material
from benchmarks.peers.plain_route import Arrays, plain_sample, read_annotations
from benchmarks.sampling import CONFIG
from sampler.kernels.compiled.kernels import COMPILED, warm_up
from sampler.layouts.convert import lay_out
from sampler.sample.sample import make_sample
from sampler.stream.keys import SampleKey

RouteName = Literal["sampler", "plain"]
ROUTES: tuple[RouteName, ...] = get_args(RouteName)

Maker = Callable[[int], Arrays]
"""Returns the dense arrays of the sample at a position of the stream: 0, 1, … go through the images in turn."""


class Route:
    """A way of making samples that travels to worker processes; each opens the dataset at its first sample."""

    def __init__(self, name: RouteName, source: Material) -> None:
        self.name = name
        self.source = source
        self._make: Maker | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Route, (self.name, self.source)

    def __call__(self, position: int) -> Arrays:
        if self._make is None:
            self._make = self.opened()
        return self._make(int(position))

    def opened(self) -> Maker:
        """Return a function that makes samples, with kernels that are compiled and OpenCV on one thread."""
        cv2.setNumThreads(0)
        return _OPENERS[self.name](self.source)


def _sampler(source: Material) -> Maker:
    warm_up()
    dataset = source.open()

    def make(position: int) -> Arrays:
        key = SampleKey(1, position // len(dataset), position % len(dataset))
        sample = make_sample(dataset, CONFIG, key, kernels=COMPILED)
        return lay_out(sample, "dense", CONFIG, dataset.category_count, COMPILED)

    return make


def _plain(source: Material) -> Maker:
    images, categories = read_annotations(source.annotations, source.images)

    def make(position: int) -> Arrays:
        return plain_sample(images[position % len(images)], categories, np.random.default_rng(position))

    return make


_OPENERS: dict[RouteName, Callable[[Material], Maker]] = {"sampler": _sampler, "plain": _plain}
