"""Opening an image source by its location."""

from pathlib import Path

from sampler.dataset.images.local_folder import LocalFolder
from sampler.dataset.images.source import ImageSource


def open_source(location: Path | str) -> ImageSource:
    """Return the source of the images at a location: a path is a local folder. Raises ImageSourceError."""
    return LocalFolder(Path(location))
