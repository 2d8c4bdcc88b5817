"""A COCO-format dataset: N images with their boxes, by index 0…N-1."""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from sampler.cache_folder import default_cache_dir
from sampler.dataset.images.combined import CombinedSource
from sampler.dataset.images.decode import (
    DEFAULT_OPTIONS,
    Pixels,
    ReadOptions,
    decode_image,
    encoded_limit,
)
from sampler.dataset.images.decoded_store.format import ANY_FILE, FORMAT, PIXEL_RULES, ExpectedFile, StoreMeta
from sampler.dataset.images.decoded_store.reader import DecodedStore
from sampler.dataset.images.hashes import Hash, ImageHashes, find_hashes, hashes_file, image_hash
from sampler.dataset.images.header import DecodeError
from sampler.dataset.images.image_cache import ImageCache, ImageCachePart
from sampler.dataset.images.local_folder import LocalFolder
from sampler.dataset.images.notes import ImageNote, NoteKind
from sampler.dataset.images.part_decoding import DecodeCounts, DecodedPart, EncodedImage, PartDecoder, decode_whole
from sampler.dataset.images.source import ImageSource, ImageStat
from sampler.dataset.images.stamps import ImageStamps
from sampler.dataset.index.annotation_file import LoadedCoco
from sampler.dataset.index.cache import ensure_index
from sampler.dataset.index.dataset_index import DatasetIndex
from sampler.dataset.substitutes import find_substitutes, pixels_digest
from sampler.errors import ImageError, ImageSourceError
from sampler.image_part import ImagePart, Region
from sampler.path_lists import Location, is_url
from sampler.printable import printable
from sampler.stream.keys import SampleKey

T = TypeVar("T")


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
        stamps: Recorded states of images in object storage; another state is an ImageError if no hashes are recorded.
        decoder: Decodes only the part of an image that is needed, where it can; whole images if None.
        counts: How image files were decoded by `read`.
        notify: Called with index and note whenever `read` decodes an image that is unusual, or cannot read one.
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
        *,
        mapped: bool = True,
    ) -> None:
        """Open the index in `index_dir`. The pixels do not depend on store and cache. Raises AnnotationError."""
        super().__init__(index_dir, mapped=mapped)
        self.images = images
        self.options = options
        self.store = store
        self.cache = cache
        self.hashes = hashes
        self.notify = notify
        self.stamps: ImageStamps | None = None
        self.decoder: PartDecoder | None = None
        self.counts: DecodeCounts = DecodeCounts()

    def with_decoded(
        self, store: DecodedStore | None = None, cache: ImageCache | ImageCachePart | None = None
    ) -> "Dataset":
        """Return the same dataset with another store and cache."""
        other = copy(self)
        other.store, other.cache = store, cache
        return other

    @property
    def max_pixels(self) -> int:
        """Images with more pixels are not decoded."""
        return self.options.max_pixels

    @property
    def pixels(self) -> str | None:
        """The digest of recorded hashes and substitutes, 32 hexadecimal digits; None if there are neither."""
        return pixels_digest(self.hashes, self.substitutes)

    @property
    def store_meta(self) -> StoreMeta:
        """What identifies a decoded store of this dataset."""
        return StoreMeta(FORMAT, self.digest, len(self), self.images.identity, PIXEL_RULES)

    def read(self, index: int, region: Region | None = None) -> ImagePart:
        """Return an image or the part of it that the caller needs. Its pixels are read-only if they are the store's.

        region: The pixels that the caller uses; all by default. Others may not be there, or not be checked for damage.

        Raises:
            InvalidRequestError: There is no such image.
            ImageError: The image cannot be read as annotated. The error has the index.
        """
        height, width = self.size(index)
        if height * width > self.max_pixels:
            return self._decode_part(index, None)
        if self.store is not None:
            rows = None if region is None else region.rows
            stored = self.store.pixels(index, height, width, rows, self._expected_file(index))
            if stored is not None:
                return ImagePart(stored)
        if self.cache is None:
            return self._decode_part(index, region)
        cached = self.cache.get(index, height, width)
        if cached is not None:
            return ImagePart(cached)
        if not self.cache.admits(3 * height * width):
            return self._decode_part(index, region)
        whole = self._decode_part(index, None)
        self.cache.store(index, whole.pixels)
        return whole

    def inspect(self, index: int) -> tuple[ImageNote, ...]:
        """Decode the file of an image, whatever store and cache have; return what is unusual about it.

        Raises what `read` raises.
        """
        return self.decode(index).notes

    def decode(self, index: int) -> DecodedFile:
        """Decode the file of an image, whatever store and cache have. Raises what `read` raises."""
        return self.read_file(index, self._decode_whole)

    def _decode_whole(self, image: EncodedImage) -> DecodedFile:
        decoded = decode_image(image.data, image.size, self.options)
        return DecodedFile(decoded.pixels, image.hash, decoded.notes)

    def read_file(self, index: int, decode: Callable[[EncodedImage], T]) -> T:
        """Return what a function makes of the file of an image, which has the recorded hash. Raises ImageError."""
        name, size = self.file_name(index), self.size(index)
        try:
            data, stat = self._read_encoded(index, name, size)
            found = image_hash(data)
            if self.hashes is not None:
                self.hashes.check(index, found)
            decoded = decode(EncodedImage(int(index), data, found, size))
            if self.stamps is not None and stat is not None:
                self.stamps.record(index, stat)
        except DecodeError as error:
            raise ImageError(self.images.describe(name), error.kind, str(error), int(index)) from error
        except ImageError as error:
            raise error.at(int(index)) from error
        return decoded

    def read_ahead(self, keys: Sequence[SampleKey]) -> None:
        """Begin to fetch the files that the samples of these keys will read, in this order, if they are remote."""
        indices = map(self.image_of, keys)
        self.images.read_ahead([self.file_name(index) for index in indices if not self._is_at_hand(index)])

    def _is_at_hand(self, index: int) -> bool:
        """Return whether `read` will probably find an image without its file."""
        if self.store is not None and self.store.has(index, self._expected_file(index)):
            return True
        return self.cache is not None and self.cache.has(index)

    def _expected_file(self, index: int) -> ExpectedFile:
        """Return what an image in the store must have been decoded from. Other images are read from their files."""
        if self.hashes is not None:
            return ExpectedFile(hash=self.hashes.of(index))
        return ANY_FILE if self.stamps is None else ExpectedFile(state=self.stamps.recorded(index))

    def _read_encoded(self, index: int, name: str, size: tuple[int, int]) -> tuple[bytes, ImageStat | None]:
        """Return the file of an image, and its state if states count.

        Raises DecodeError if it is not in its recorded state, and ImageError.
        """
        data, stat = self.images.read_versioned(name, encoded_limit(size, self.max_pixels))
        if self.stamps is None or self.hashes is not None or stat is None:
            return data, None
        self.stamps.check(index, stat)
        return data, stat

    def _decode_part(self, index: int, region: Region | None) -> ImagePart:
        """Return an image or a part that covers a region, decoded from its file, and report what is unusual."""
        try:
            decoded = self.read_file(index, partial(self._decode_needed, region=region))
        except ImageError as error:
            kind: NoteKind = "damaged" if error.kind == "damaged" else "unreadable"
            self._report(index, (ImageNote(kind, error.cause),))
            raise
        self._report(index, decoded.notes)
        return decoded.part

    def _decode_needed(self, image: EncodedImage, region: Region | None) -> DecodedPart:
        if self.decoder is not None:
            return self.decoder.decode(image, region, self.options)
        return decode_whole(image, self.options, self.counts)

    def _report(self, index: int, notes: tuple[ImageNote, ...]) -> None:
        if self.notify is not None:
            for note in notes:
                self.notify(index, note)


def open_source(location: Location | Sequence[Location], options: ReadOptions = DEFAULT_OPTIONS) -> ImageSource:
    """Return the source of the images at a location, or at several that are combined. Raises ImageSourceError.

    A path is a local folder, and a text with a scheme such as s3:// a place in object storage. With several locations,
    the name of an image begins with the number of its location: "0/".
    """
    locations = [location] if isinstance(location, Path | str) else location
    sources = [_open_location(one, options) for one in locations]
    return sources[0] if len(sources) == 1 else CombinedSource(sources)


def _open_location(location: Location, options: ReadOptions) -> ImageSource:
    if not is_url(location):
        return LocalFolder(Path(location), options.follow_links)
    try:
        # Only for URLs: its client is an extra, and takes time to import.
        from sampler.dataset.images.object_storage.source import ObjectStorage
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        cause = f"images in object storage need {package}: pip install 'saccade-sampler[cloud]'"
        raise ImageSourceError(f"{printable(str(location).partition('://')[0])}://…: {cause}") from error
    return ObjectStorage(str(location))


def image_folders(annotation_files: int, images: Sequence[Location]) -> tuple[Location, ...]:
    """Return the image folder of each annotation file. A single folder is that of all files.

    Raises ImageSourceError if there are other numbers of files and folders.
    """
    if len(images) not in (1, annotation_files):
        raise ImageSourceError(
            f"annotation files: {annotation_files}, image folders: {len(images)}; "
            "give as many folders as files, in the same order, or one folder for all"
        )
    return tuple(images) * annotation_files if len(images) == 1 else tuple(images)


def open_dataset(
    annotations: Location | LoadedCoco | Sequence[Location],
    images: Location | Sequence[Location],
    cache_dir: Path | None = None,
    report: Callable[[str], None] | None = None,
    options: ReadOptions = DEFAULT_OPTIONS,
    subset: Path | None = None,
    substitute: Path | None = None,
    *,
    mapped: bool = True,
) -> Dataset:
    """Open a dataset, with the hashes of its images if they were recorded.

    Builds the index of the annotations if it is not in the cache folder yet.

    Args:
        annotations: The annotation file, or a loaded `pycocotools.coco.COCO`. Several files are combined into one
            dataset; their categories must agree and their image ids be different.
        images: The location of the images; see `open_source`. For several annotation files as many locations, in the
            same order, or one for all.
        cache_dir: The cache folder (default: the user's).
        report: Called with a description of each step.
        options: How images are read.
        subset: A file of image ids (see `read_image_ids`). The dataset then has these images only.
        substitute: A file of the ids of unusable images. For each of their keys, another image is used instead.
        mapped: False if the index must not be memory-mapped; see `DatasetIndex`.

    Raises:
        ImageSourceError: The images cannot be reached.
        AnnotationError: An annotation file cannot be used, or the index cannot be written.
        ImageListError: A file of image ids cannot be used.
        HashError: The recorded hashes are damaged.
    """
    files = _files(annotations)
    folders = [images] if isinstance(images, Path | str) else images
    # First, so that a wrong folder is reported before the index is built.
    source = open_source(image_folders(len(files) if isinstance(files, list) else 1, folders), options)
    dataset = Dataset(ensure_index(files, cache_dir, report, subset), source, options, mapped=mapped)
    dataset.hashes = find_hashes(hashes_file(cache_dir or default_cache_dir(), dataset.digest, source), len(dataset))
    dataset.substitutes = find_substitutes(substitute, dataset)
    return dataset


def _files(annotations: Location | LoadedCoco | Sequence[Location]) -> Path | LoadedCoco | list[Path]:
    if isinstance(annotations, str):
        return Path(annotations)
    return [Path(file) for file in annotations] if isinstance(annotations, Sequence) else annotations
