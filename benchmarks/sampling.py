"""The sampler alone, in one process on one core."""

from collections.abc import Iterator

import cv2
import numpy as np
import simplejpeg

from benchmarks.material import Material
from benchmarks.row import Row, milliseconds
from sampler.arrays import Arrays, allocate
from sampler.compiled_kernels import COMPILED, warm_up
from sampler.config import preset
from sampler.keys import SampleKey
from sampler.layouts import compact, render
from sampler.sample import Sample, make_sample

COUNT = 32
"""Samples of one run; as many images are read, so that all of them stay in the page cache."""


def rows(source: Material) -> Iterator[Row]:
    """Measure a sample in the compact layout and as dense arrays, and rendering alone."""
    cv2.setNumThreads(1)
    warm_up()
    dataset, config = source.open(), preset("cornernet_saccade")
    files = [dataset.path(index) for index in range(len(dataset))]

    def decode(index: int) -> object:
        return simplejpeg.decode_jpeg(files[index % len(files)].read_bytes(), colorspace="BGR")

    def sample(index: int) -> Sample:
        return make_sample(dataset, config, SampleKey(1, index, index % len(dataset)), kernels=COMPILED)

    def dense(index: int) -> Arrays:
        arrays = allocate(config, dataset.category_count)
        render(compact(sample(index)), config, arrays, COMPILED)
        return arrays

    decoding, sampling, filling = milliseconds([decode, sample, dense], COUNT)
    yield Row("sampler from JPEG, compact", "ms", sampling, "decoding alone", decoding, 1.35)
    yield Row("sampler from JPEG, dense arrays", "ms", filling, "decoding alone", decoding, 1.8)
    yield from _rendering([compact(sample(index)) for index in range(COUNT)], dataset.category_count)


def _rendering(samples: list[Arrays], categories: int) -> Iterator[Row]:
    config = preset("cornernet_saccade")
    size = sum(array.nbytes for array in allocate(config, categories).values())
    source, target = np.zeros(size, np.uint8), np.empty(size, np.uint8)

    def rendered(index: int) -> None:
        arrays = allocate(config, categories)
        render(samples[index], config, arrays, COMPILED)

    rendering, copying = milliseconds([rendered, lambda _: np.copyto(target, source)], len(samples))
    megabytes = size / 1e6
    yield Row(
        "rendering compact to dense arrays", "MB/s", megabytes / rendering * 1000, "memcpy of as many bytes",
        megabytes / copying * 1000, 0.5, at_most=False,
    )  # fmt: skip
