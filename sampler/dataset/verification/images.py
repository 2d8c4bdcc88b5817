"""Findings in image files, each of which is decoded."""

from collections.abc import Callable
from contextlib import closing

from sampler.dataset.dataset import Dataset
from sampler.dataset.images.notes import ImageNote
from sampler.dataset.images.reading_ahead import reading_ahead
from sampler.dataset.parallel_map import parallel_map
from sampler.dataset.verification.kinds import KINDS
from sampler.dataset.verification.report import Tally
from sampler.errors import ImageError


def check_images(dataset: Dataset, tally: Tally, threads: int, advance: Callable[[], None]) -> tuple[int, ...]:
    """Decode every image, `threads` at once. Return the indices of those with a fault."""

    def inspect(index: int) -> ImageError | tuple[ImageNote, ...]:
        try:
            return dataset.inspect(index)
        except ImageError as error:
            return error

    unusable = []
    indices = reading_ahead(dataset, dataset.images, range(len(dataset)))
    with closing(parallel_map(inspect, indices, threads, 4 * threads, dataset.images.cancel_reads)) as results:
        for index, found in enumerate(results):
            if _count(tally, dataset.images.describe(dataset.file_name(index)), found):
                unusable.append(index)
            advance()
    return tuple(unusable)


def _count(tally: Tally, where: str, found: ImageError | tuple[ImageNote, ...]) -> bool:
    """Count what was found about an image; return whether it has a fault."""
    if isinstance(found, ImageError):
        tally.add(found.kind, found.file, found.cause)
        return True
    for note in found:
        tally.add(note.kind, where, note.text)
    return any(KINDS[note.kind].is_fault for note in found)
