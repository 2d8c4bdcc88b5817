"""A COCO-format dataset: N images with their boxes, by index 0…N-1."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sampler.cache_folder import default_cache_dir
from sampler.dataset.images.decode import MAX_PIXELS, decode_file, read_encoded
from sampler.dataset.images.decoded_store.format import FORMAT, StoreMeta
from sampler.dataset.images.decoded_store.reader import DecodedStore
from sampler.dataset.images.hashes import Hash, ImageHashes, find_hashes, hashes_file, image_hash
from sampler.dataset.images.image_cache import ImageCache, ImageCachePart
from sampler.dataset.images.local_folder import LocalFolder
from sampler.dataset.images.source import ImageSource
from sampler.dataset.index.cache import LoadedCoco, ensure_index
from sampler.dataset.index.dataset_index import DatasetIndex
from sampler.errors import ImageError


class Dataset(DatasetIndex):
    """A dataset index and the pixels of its images.

    Attributes:
        images: Source of the encoded images.
        max_pixels: Larger images are not decoded.
        store: Decoded images, read instead of decoding again.
        cache: Cache of images that were decoded because they are not in the store.
        hashes: Recorded hashes of the encoded images; other bytes are an ImageError.
    """

    def __init__(
        self,
        index_dir: Path,
        images: ImageSource,
        max_pixels: int = MAX_PIXELS,
        store: DecodedStore | None = None,
        cache: ImageCache | ImageCachePart | None = None,
        hashes: ImageHashes | None = None,
    ) -> None:
        """Open the index in `index_dir`. The pixels do not depend on store and cache. Raises AnnotationError."""
        super().__init__(index_dir)
        self.images = images
        self.max_pixels = max_pixels
        self.store = store
        self.cache = cache
        self.hashes = hashes

    def with_decoded(
        self, store: DecodedStore | None = None, cache: ImageCache | ImageCachePart | None = None
    ) -> "Dataset":
        """Return the same dataset with another store and cache."""
        return Dataset(self.index_dir, self.images, self.max_pixels, store, cache, self.hashes)

    @property
    def pixels(self) -> str | None:
        """The digest of the recorded hashes, 32 hexadecimal digits; None if there are none."""
        return None if self.hashes is None else self.hashes.digest

    @property
    def store_meta(self) -> StoreMeta:
        """What identifies a decoded store of this dataset."""
        return StoreMeta(FORMAT, self.digest, len(self), self.images.identity)

    def read(self, index: int, rows: tuple[int, int] | None = None) -> npt.NDArray[np.uint8]:  # noqa: ARG002
        """Return the pixels of an image: (height, width, 3) uint8 BGR, read-only if they come from the store.

        rows: [start, stop), the rows that the caller uses; all by default. Other rows may not be checked for damage.

        Raises:
            InvalidRequestError: There is no such image.
            ImageError: The image cannot be read as annotated. The error has the index.
        """
        height, width = self.size(index)
        if height * width > self.max_pixels:
            return self._decode(index)
        stored = None if self.store is None else self.store.pixels(index, height, width)
        if stored is not None:
            return stored
        if self.cache is None:
            return self._decode(index)
        cached = self.cache.get(index, height, width)
        if cached is not None:
            return cached
        pixels = self._decode(index)
        self.cache.put(index, pixels)
        return pixels

    def _decode(self, index: int) -> npt.NDArray[np.uint8]:
        return self.decode(index)[0]

    def decode(self, index: int) -> tuple[npt.NDArray[np.uint8], Hash]:
        """Decode the file of an image, whatever store and cache have; return its pixels and the hash of the file.

        Raises what `read` raises.
        """
        name, size = self.file_name(index), self.size(index)
        where = self.images.describe(name)
        try:
            data = read_encoded(self.images, name, size, self.max_pixels)
            found = image_hash(data)
            if self.hashes is not None:
                self.hashes.check(index, found, where)
            return decode_file(data, where, size, self.max_pixels), found
        except ImageError as error:
            raise error.at(int(index)) from error


def open_source(location: Path | str) -> ImageSource:
    """Return the source of the images at a location: a path is a local folder. Raises ImageSourceError."""
    return LocalFolder(Path(location))


def open_dataset(
    annotations: Path | str | LoadedCoco,
    images: Path | str,
    cache_dir: Path | None = None,
    report: Callable[[str], None] | None = None,
) -> Dataset:
    """Open a dataset, with the hashes of its images if they were recorded.

    Builds the index of the annotation file if it is not in the cache folder yet.

    Args:
        annotations: The annotation file, or a loaded `pycocotools.coco.COCO`.
        images: The location of the images; see `open_source`.
        cache_dir: The cache folder (default: the user's).
        report: Called with a description of each step.

    Raises:
        ImageSourceError: The images cannot be reached.
        AnnotationError: The annotation file cannot be used, or its index cannot be written.
        HashError: The recorded hashes are damaged.
    """
    source = open_source(images)  # first, so that a wrong folder is reported before the index is built
    located = Path(annotations) if isinstance(annotations, str) else annotations
    dataset = Dataset(ensure_index(located, cache_dir, report), source)
    dataset.hashes = find_hashes(hashes_file(cache_dir or default_cache_dir(), dataset.digest, source), len(dataset))
    return dataset
