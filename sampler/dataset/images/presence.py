"""Noticing that a whole image folder is gone, such as one whose disk is not mounted, before anything relies on it."""

from itertools import islice

import numpy as np
import numpy.typing as npt

from sampler.dataset.images.source import ImageSource
from sampler.dataset.index.dataset_index import DatasetIndex
from sampler.errors import ImageSourceError
from sampler.printable import printable


def first_names(source: ImageSource) -> str:
    """Return the names of the first three files in a source, for messages."""
    try:
        return ", ".join(printable(name) for name in islice(source.names(), 3)) or "nothing"
    except ImageSourceError as error:
        return f"names that cannot be shown ({error})"


def require_images(
    index: DatasetIndex,
    source: ImageSource,
    images: npt.NDArray[np.integer],
    found: npt.NDArray[np.bool_],
    remedy: str = "restore or mount the folder",
) -> None:
    """Raise ImageSourceError if no image of one of the annotation files was found: nothing was learnt about them.

    Args:
        index: The dataset.
        source: The source of its images.
        images: (K,) dataset indices of the images that were looked for.
        found: (K,) whether each was found.
        remedy: What to do.
    """
    parts = index.part_numbers()[images]
    for number in np.unique(parts).tolist():
        own = parts == number
        if not found[own].any():
            first = source.describe(index.file_name(int(images[own][0])))
            cause = f"none of {np.count_nonzero(own)} images can be read, such as {printable(first)}"
            raise ImageSourceError(f"{printable(source.part(number).describe(''))}: {cause}; {remedy}")
