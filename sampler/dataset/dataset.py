"""A COCO-format dataset: N images with their boxes, by index 0…N-1."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sampler.cache_folder import default_cache_dir
from sampler.dataset.images.decode import DEFAULT_OPTIONS, Pixels, ReadOptions, decode_file, read_encoded
from sampler.dataset.images.decoded_store.format import FORMAT, PIXEL_RULES, StoreMeta
from sampler.dataset.images.decoded_store.reader import DecodedStore
from sampler.dataset.images.hashes import Hash, ImageHashes, find_hashes, hashes_file, image_hash
from sampler.dataset.images.image_cache import ImageCache, ImageCachePart
from sampler.dataset.images.local_folder import LocalFolder
from sampler.dataset.images.notes import ImageNote
from sampler.dataset.images.source import ImageSource
from sampler.dataset.index.cache import LoadedCoco, ensure_index
from sampler.dataset.index.dataset_index import DatasetIndex
from sampler.errors import ImageError


@dataclass(frozen=True, slots=True)
class DecodedFile:
    """What decoding an image file gives: its pixels, the hash of its bytes, and what is unusual about it."""

    pixels: Pixels
    hash: Hash
    notes: tuple[ImageNote, ...]


class Dataset(DatasetIndex):
    """A dataset index and the pixels of its images.

    Attributes:
        images: Source of the encoded images.
        options: How images are read.
        store: Decoded images, read instead of decoding again.
        cache: Cache of images that were decoded because they are not in the store.
        hashes: Recorded hashes of the encoded images; other bytes are an ImageError.
        notify: Called with index and note whenever `read` decodes an image that is unusual.
    """

    def __init__(
        self,
        index_dir: Path,
        images: ImageSource,
        options: ReadOptions = DEFAULT_OPTIONS,
        store: DecodedStore | None = None,
        cache: ImageCache | ImageCachePart | None = None,
        hashes: ImageHashes | None = None,
        notify: Callable[[int, ImageNote], None] | None = None,
    ) -> None:
        """Open the index in `index_dir`. The pixels do not depend on store and cache. Raises AnnotationError."""
        super().__init__(index_dir)
        self.images = images
        self.options = options
        self.store = store
        self.cache = cache
        self.hashes = hashes
        self.notify = notify

    def with_decoded(
        self, store: DecodedStore | None = None, cache: ImageCache | ImageCachePart | None = None
    ) -> "Dataset":
        """Return the same dataset with another store and cache."""
        return Dataset(self.index_dir, self.images, self.options, store, cache, self.hashes, self.notify)

    @property
    def max_pixels(self) -> int:
        """Images with more pixels are not decoded."""
        return self.options.max_pixels

    @property
    def pixels(self) -> str | None:
        """The digest of the recorded hashes, 32 hexadecimal digits; None if there are none."""
        return None if self.hashes is None else self.hashes.digest

    @property
    def store_meta(self) -> StoreMeta:
        """What identifies a decoded store of this dataset."""
        return StoreMeta(FORMAT, self.digest, len(self), self.images.identity, PIXEL_RULES)

    def read(self, index: int, rows: tuple[int, int] | None = None) -> npt.NDArray[np.uint8]:
        """Return the pixels of an image: (height, width, 3) uint8 BGR, read-only if they come from the store.

        rows: [start, stop), the rows that the caller uses; all by default. Other rows may not be checked for damage.

        Raises:
            InvalidRequestError: There is no such image.
            ImageError: The image cannot be read as annotated. The error has the index.
        """
        height, width = self.size(index)
        if height * width > self.max_pixels:
            return self._decode(index)
        if self.store is not None:
            expected = None if self.hashes is None else self.hashes.of(index)
            stored = self.store.pixels(index, height, width, rows, expected)
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

    def inspect(self, index: int) -> tuple[ImageNote, ...]:
        """Decode the file of an image, whatever store and cache have; return what is unusual about it.

        Raises what `read` raises.
        """
        return self.decode(index).notes

    def decode(self, index: int) -> DecodedFile:
        """Decode the file of an image, whatever store and cache have. Raises what `read` raises."""
        name, size = self.file_name(index), self.size(index)
        where = self.images.describe(name)
        try:
            data = read_encoded(self.images, name, size, self.max_pixels)
            found = image_hash(data)
            if self.hashes is not None:
                self.hashes.check(index, found, where)
            decoded = decode_file(data, where, size, self.options)
        except ImageError as error:
            raise error.at(int(index)) from error
        return DecodedFile(decoded.pixels, found, decoded.notes)

    def _decode(self, index: int) -> Pixels:
        decoded = self.decode(index)
        if self.notify is not None:
            for note in decoded.notes:
                self.notify(index, note)
        return decoded.pixels


def open_source(location: Path | str, options: ReadOptions = DEFAULT_OPTIONS) -> ImageSource:
    """Return the source of the images at a location: a path is a local folder. Raises ImageSourceError."""
    return LocalFolder(Path(location), options.follow_links)


def open_dataset(
    annotations: Path | str | LoadedCoco,
    images: Path | str,
    cache_dir: Path | None = None,
    report: Callable[[str], None] | None = None,
    options: ReadOptions = DEFAULT_OPTIONS,
) -> Dataset:
    """Open a dataset, with the hashes of its images if they were recorded.

    Builds the index of the annotation file if it is not in the cache folder yet.

    Args:
        annotations: The annotation file, or a loaded `pycocotools.coco.COCO`.
        images: The location of the images; see `open_source`.
        cache_dir: The cache folder (default: the user's).
        report: Called with a description of each step.
        options: How images are read.

    Raises:
        ImageSourceError: The images cannot be reached.
        AnnotationError: The annotation file cannot be used, or its index cannot be written.
        HashError: The recorded hashes are damaged.
    """
    source = open_source(images, options)  # first, so that a wrong folder is reported before the index is built
    located = Path(annotations) if isinstance(annotations, str) else annotations
    dataset = Dataset(ensure_index(located, cache_dir, report), source, options)
    dataset.hashes = find_hashes(hashes_file(cache_dir or default_cache_dir(), dataset.digest, source), len(dataset))
    return dataset
