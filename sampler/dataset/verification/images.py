"""Findings in image files, each of which is decoded."""

from collections.abc import Callable

from sampler.dataset.dataset import Dataset
from sampler.dataset.parallel_map import parallel_map
from sampler.dataset.verification.report import Tally
from sampler.errors import ImageError


def check_images(dataset: Dataset, tally: Tally, threads: int, advance: Callable[[], None]) -> tuple[int, ...]:
    """Decode every image, `threads` at once. Return the indices of those that cannot be used."""

    def read(index: int) -> ImageError | None:
        try:
            dataset.decode(index)
        except ImageError as error:
            return error
        return None

    unusable = []
    for index, error in enumerate(parallel_map(read, range(len(dataset)), threads, window=4 * threads)):
        if error is not None:
            tally.add(error.kind, error.file, error.cause)
            unusable.append(index)
        advance()
    return tuple(unusable)
