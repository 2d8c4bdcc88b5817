"""What it costs to check pixels: the hashes of JPEG files, and the blocks of a decoded store."""

import time
from collections.abc import Callable, Iterator
from copy import copy

import numpy as np
import numpy.typing as npt

from benchmarks.material import Material
from benchmarks.measuring import each_run
from benchmarks.row import Row, paired
from benchmarks.sampling import COUNT, sampling
from sampler.dataset.dataset import Dataset
from sampler.dataset.images.decode import decode_image, read_encoded
from sampler.dataset.images.decoded_store.format import ANY_FILE, START, ExpectedFile
from sampler.dataset.images.decoded_store.reader import DecodedStore
from sampler.dataset.images.hashes import hash_images
from sampler.image_part import ImagePart, Region

RUNS = 31
"""More runs than for other rows, since the differences are small."""


class _UncheckedFiles(Dataset):
    """Decodes files without computing their hashes."""

    def read(self, index: int, region: Region | None = None) -> ImagePart:  # noqa: ARG002 - all pixels are there
        size = self.size(index)
        data = read_encoded(self.images, self.file_name(index), size, self.max_pixels)
        return ImagePart(decode_image(data, size).pixels)


class _UncheckedStore(DecodedStore):
    """Gives stored pixels without looking at any checksum or state of a block."""

    def pixels(
        self,
        index: int,
        height: int,
        width: int,
        rows: tuple[int, int] | None = None,  # noqa: ARG002 - pixels are prefetched as a whole
        expected: ExpectedFile = ANY_FILE,  # noqa: ARG002 - nothing is checked
    ) -> npt.NDArray[np.uint8] | None:
        start = int(self._records[index, START])
        if self._probe is not None:
            self._prefetch(self._probe, start, height * width * 3)
        return np.ndarray((height, width, 3), np.uint8, self._pixels, start)


def rows(jpeg: Material, decoded: Material) -> Iterator[Row]:
    """Measure the CPU time of samples with and without the checks, in turn."""
    files, store = jpeg.open(), decoded.open()
    hashed = copy(files)
    hashed.hashes, _ = hash_images(files, files.images, threads=1)
    checked_files, plain_files = _cpu_times(hashed, _UncheckedFiles(files.index_dir, files.images))
    yield paired(
        "CPU time of a sample from JPEG, compared with its hash", "ms", checked_files,
        "without the comparison", plain_files, 1.02,
    )  # fmt: skip
    folder = store.store_meta.folder(decoded.cache_dir)
    unchecked = store.with_decoded(_UncheckedStore(folder, store.store_meta))
    checked_blocks, plain_blocks = _cpu_times(store, unchecked)
    yield paired(
        "CPU time of a sample from the decoded store, with checked blocks", "ms", checked_blocks,
        "without any check", plain_blocks, 1.05,
    )  # fmt: skip


def _cpu_times(*datasets: Dataset) -> list[list[float]]:
    makers: list[Callable[[int], object]] = [sampling(one) for one in datasets]
    return each_run(makers, COUNT, runs=RUNS, clock=time.process_time)
