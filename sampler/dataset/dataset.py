"""A COCO-format dataset: N images in one folder, and their boxes, by index 0…N-1."""

import operator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sampler.dataset.coco.annotations import RejectedBox
from sampler.dataset.coco.entries import LoadedCoco
from sampler.dataset.images.decode import MAX_PIXELS, read_image
from sampler.dataset.images.decoded_store.reader import DecodedStore
from sampler.dataset.images.image_cache import PixelCache
from sampler.dataset.index.cache import ensure_index
from sampler.dataset.index.storage import load_index
from sampler.errors import AnnotationError, ImageError, InvalidRequestError
from sampler.progress import steps


class Dataset:
    """The images and boxes of a dataset. Opening is cheap; all workers of a host share the memory of the index.

    Pickles as its paths and limits, so that it may be handed to other processes.
    """

    def __init__(
        self,
        index_dir: Path,
        images_dir: Path,
        max_pixels: int = MAX_PIXELS,
        store: DecodedStore | None = None,
        cache: PixelCache | None = None,
    ) -> None:
        """Open the index in `index_dir`; images of at most `max_pixels` are read below `images_dir`.

        store: where pixels are taken from, for images that it has. cache: where pixels of other images are looked for
        before their files are decoded, and kept afterwards. The pixels are the same. Raises AnnotationError.
        """
        check_images(images_dir)
        self.max_pixels = max_pixels
        self.index_dir = index_dir
        self.images_dir = images_dir
        self.store = store
        self.cache = cache
        self._index = load_index(index_dir)

    @classmethod
    def open(cls, index_dir: Path, images: Path, max_pixels: int = MAX_PIXELS) -> "Dataset":
        """The dataset of an index that `open_dataset` has built. Raises AnnotationError."""
        return cls(index_dir, images, max_pixels)

    def with_pixels(self, store: DecodedStore | None = None, cache: PixelCache | None = None) -> "Dataset":
        """The same dataset, whose pixels are looked for in a store or a cache before an image file is decoded."""
        other = object.__new__(Dataset)
        vars(other).update(vars(self), store=store, cache=cache)  # the index is open already
        return other

    def __reduce__(self) -> tuple[type["Dataset"], tuple[object, ...]]:
        return Dataset, (self.index_dir, self.images_dir, self.max_pixels, self.store, self.cache)

    def __len__(self) -> int:
        return len(self._index.image_ids)

    def __repr__(self) -> str:
        return f"<Dataset of {len(self)} images, {self.box_count} boxes, {self.category_count} categories>"

    @property
    def digest(self) -> str:
        """32 hexadecimal digits: the identity of all that samples take from the annotations."""
        return self._index.digest

    @property
    def box_count(self) -> int:
        """Boxes of all images, crowd boxes included."""
        return len(self._index.boxes)

    @property
    def category_count(self) -> int:
        """Number of categories C; boxes carry 1…C."""
        return len(self._index.category_ids)

    @property
    def category_names(self) -> tuple[str, ...]:
        """C names; category k of a box is called `category_names[k - 1]`."""
        return self._index.category_names

    @property
    def category_ids(self) -> npt.NDArray[np.int64]:
        """(C,) int64, read-only: the COCO ids of the categories, ascending."""
        return self._index.category_ids

    @property
    def rejected(self) -> tuple[RejectedBox, ...]:
        """The boxes of the annotation file that are no boxes and were dropped."""
        return self._index.rejected

    @property
    def all_boxes(self) -> npt.NDArray[np.float32]:
        """(M, 5) float32, read-only: the boxes of all images one behind the other, crowd boxes included."""
        return self._index.boxes

    @property
    def annotation_ids(self) -> npt.NDArray[np.int64]:
        """(M,) int64, read-only: the COCO annotation ids of the rows of `all_boxes`."""
        return self._index.annotation_ids

    @property
    def box_starts(self) -> npt.NDArray[np.int64]:
        """(N+1,) int64, read-only: image i has the rows `box_starts[i]` to `box_starts[i + 1]` of `all_boxes`."""
        return self._index.box_starts

    @property
    def sizes(self) -> npt.NDArray[np.int32]:
        """(N, 2) int32, read-only: height and width of each image in pixels, as annotated."""
        return self._index.sizes

    def find(self, image_id: int) -> int:
        """The index of the image with a COCO image id. Raises InvalidRequestError when there is none."""
        ids = self._index.image_ids
        place = int(np.searchsorted(ids, image_id))
        if place == len(ids) or ids[place] != image_id:
            raise InvalidRequestError("image_id", image_id, "the id of an image of the dataset")
        return place

    def image_id(self, index: int) -> int:
        """The COCO image id of an image."""
        return int(self._index.image_ids[self._checked(index)])

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of an image in pixels, as annotated."""
        height, width = self._index.sizes[self._checked(index)].tolist()
        return height, width

    def file_name(self, index: int) -> str:
        """The path of an image below the image folder."""
        place = self._checked(index)
        start, end = self._index.name_starts[place : place + 2].tolist()
        return self._index.names[start:end].tobytes().decode()

    def path(self, index: int) -> Path:
        """Where an image lies."""
        return self.images_dir / self.file_name(index)

    def boxes(self, index: int, keep_crowd: bool = True) -> npt.NDArray[np.float32]:
        """(n, 5) float32: x0, y0, x1, y1 in image pixels, not clipped, and category 1…C. The caller's own copy.

        Grouped by category, then in the order of the annotation file. `keep_crowd=False` leaves crowd boxes out.
        """
        rows = self._rows(index)
        boxes = self._index.boxes[rows]
        return boxes.copy() if keep_crowd else boxes[~self._index.crowd[rows]]

    def crowd(self, index: int) -> npt.NDArray[np.bool_]:
        """(n,) bool: which boxes of an image are crowd boxes. The caller's own copy."""
        return self._index.crowd[self._rows(index)].copy()

    def read(self, index: int) -> npt.NDArray[np.uint8]:
        """(height, width, 3) uint8 BGR: the pixels of an image, read-only where they are in a store.

        Raises ImageError, which names the index.
        """
        place = self._checked(index)
        height, width = self._index.sizes[place].tolist()
        if self.store is not None and height * width <= self.max_pixels:
            stored = self.store.pixels(place, height, width)
            if stored is not None:
                return stored
        if self.cache is None or height * width > self.max_pixels:
            return self._decode(place, height, width)
        kept = self.cache.find(place, height, width)
        if kept is not None:
            return kept
        pixels = self._decode(place, height, width)
        self.cache.keep(place, pixels)
        return pixels

    def _decode(self, place: int, height: int, width: int) -> npt.NDArray[np.uint8]:
        try:
            return read_image(self.path(place), width, height, self.max_pixels)
        except ImageError as error:
            raise error.at(place) from error

    def _rows(self, index: int) -> slice:
        place = self._checked(index)
        start, end = self._index.box_starts[place : place + 2].tolist()
        return slice(start, end)

    def _checked(self, index: int) -> int:
        """The index as an int in 0…N-1. Raises InvalidRequestError."""
        is_whole = hasattr(index, "__index__") and not isinstance(index, bool | np.bool_)
        if not is_whole or not 0 <= operator.index(index) < len(self):
            raise InvalidRequestError("index", index, f"an integer from 0 to {len(self) - 1}")
        return operator.index(index)


def open_dataset(
    annotations: Path | LoadedCoco, images: Path, cache_dir: Path | None = None, progress: bool = False
) -> Dataset:
    """The dataset of an annotation file (or of a loaded `pycocotools.coco.COCO`) and an image folder.

    The index is built when it is not in the cache folder yet; `cache_dir=None` is the user's own. `progress` shows on
    stderr what is being done. Raises AnnotationError.
    """
    check_images(images)
    with steps(progress) as report:
        return Dataset(ensure_index(annotations, cache_dir, report), images)


def check_images(images: Path) -> None:
    """Raise AnnotationError unless the image folder is there."""
    if not images.exists():
        raise AnnotationError(images, "", "image folder does not exist")
    if not images.is_dir():
        raise AnnotationError(images, "", "is not a folder: expected the folder of the images")
