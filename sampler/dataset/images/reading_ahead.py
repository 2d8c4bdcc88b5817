"""Going through the images of a dataset while a remote source fetches the next ones."""

from collections.abc import Iterable, Iterator, Sequence

from sampler.dataset.images.source import ImageSource
from sampler.dataset.index.dataset_index import DatasetIndex

AHEAD = 60
"""Images that are fetched ahead: twice as many as there are requests at once, so that no request waits for a reader."""


def reading_ahead(index: DatasetIndex, source: ImageSource, images: Sequence[int]) -> Iterable[int]:
    """Return the indices of images whose files are about to be read, in order. They are fetched if they are remote."""
    return _announced(index, source, images) if source.is_remote else images


def _announced(index: DatasetIndex, source: ImageSource, images: Sequence[int]) -> Iterator[int]:
    source.read_ahead([index.file_name(image) for image in images[:AHEAD]])
    for place, image in enumerate(images):
        source.read_ahead([index.file_name(following) for following in images[place + AHEAD : place + AHEAD + 1]])
        yield image
