"""A dataset without its pixels: sizes, file names and boxes of all images, by index."""

import operator
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sampler.dataset.coco.annotations import LeftOut
from sampler.dataset.coco.boxes import RejectedBox
from sampler.dataset.image_ids import as_integer
from sampler.dataset.index.arrays import ARRAYS
from sampler.dataset.index.storage import load_index, load_meta, read_left_out
from sampler.errors import InvalidRequestError
from sampler.stream.keys import SampleKey
from sampler.stream.substitutes import Substitutes


class DatasetIndex:
    """The index of an annotation file, memory-mapped and shared by all processes of a host. Opening is cheap.

    Methods that take an index raise InvalidRequestError unless it is an integer from 0 to N-1. Arrays are read-only.

    Attributes:
        index_dir: The folder of the index.
        mapped: Whether the arrays are memory-mapped. Otherwise they are read each time they are used.
        digest: 32 hexadecimal digits: the identity of everything that samples take from the annotations.
        sources: The annotation files, as they were named when the index was built. Several if it combines them.
        dropped_count: Number of invalid boxes, which were dropped.
        unlisted_count: Number of boxes of images that are not listed, which were ignored.
        category_ids: (C,) int64: the COCO category ids, ascending; category k of a box is `category_ids[k - 1]`.
        category_names: C names; category k of a box, 1…C, is called `category_names[k - 1]`.
        supercategories: C names, "" where there is none.
        sizes: (N, 2) int32: annotated height and width of each image in pixels.
        all_boxes: (M, 5) float32: the boxes of all images concatenated, crowd boxes included.
        annotated_boxes: (M, 4) float64: x, y, width, height exactly as annotated, for the rows of `all_boxes`.
        areas: (M,) float64: the annotated areas, NaN where there is none.
        all_crowd: (M,) bool: which rows of `all_boxes` are crowd boxes.
        annotation_ids: (M,) int64: the COCO annotation ids of the rows of `all_boxes`.
        box_starts: (N+1,) int64: image i has the rows `box_starts[i]` to `box_starts[i + 1]` of `all_boxes`.
        substitutes: Which images are unusable, and what is used instead; None if all are usable. May be set.
    """

    def __init__(self, index_dir: Path, *, mapped: bool = True) -> None:
        """Open an index that `ensure_index` has built. Raises AnnotationError.

        mapped: False if arrays are to be read each time they are used, for a process that must not map files; see
            `StoredArray`.
        """
        self._arrays = arrays = load_index(index_dir, mapped=mapped)
        meta = load_meta(index_dir)
        self.index_dir = index_dir
        self.mapped = mapped
        self.digest: str = arrays.digest
        self.sources: tuple[str, ...] = meta.sources
        self.dropped_count: int = meta.dropped
        self.unlisted_count: int = meta.unlisted
        self.category_ids: npt.NDArray[np.int64] = np.asarray(arrays.category_ids)
        self.category_names: tuple[str, ...] = arrays.category_names
        self.supercategories: tuple[str, ...] = arrays.supercategories
        self.sizes: npt.NDArray[np.int32] = arrays.sizes
        self.all_boxes: npt.NDArray[np.float32] = arrays.boxes
        self.annotated_boxes: npt.NDArray[np.float64] = arrays.bbox
        self.areas: npt.NDArray[np.float64] = arrays.area
        self.all_crowd: npt.NDArray[np.bool_] = arrays.crowd
        self.annotation_ids: npt.NDArray[np.int64] = arrays.annotation_ids
        self.box_starts: npt.NDArray[np.int64] = arrays.box_starts
        self.substitutes: Substitutes | None = None

    def __len__(self) -> int:
        return len(self.sizes)

    def __repr__(self) -> str:
        kind = type(self).__name__
        return f"<{kind} of {len(self)} images, {self.box_count} boxes, {self.category_count} categories>"

    @property
    def box_count(self) -> int:
        """Number of boxes of all images, crowd boxes included."""
        return len(self.all_boxes)

    @property
    def crowd_count(self) -> int:
        """Number of crowd boxes of all images."""
        return int(np.count_nonzero(self.all_crowd))

    @property
    def category_count(self) -> int:
        """Number of categories C."""
        return len(self.category_names)

    @property
    def boxless_count(self) -> int:
        """Number of images without boxes."""
        return int(np.count_nonzero(np.diff(self.box_starts) == 0))

    @property
    def left_out(self) -> LeftOut:
        """The boxes of the annotation file that are not used. Read from disk on each access."""
        return read_left_out(self.index_dir)

    @property
    def rejected(self) -> tuple[RejectedBox, ...]:
        """The invalid boxes of the annotation file, which were dropped. Read from disk on each access."""
        return self.left_out.rejected

    @property
    def has_string_ids(self) -> bool:
        """Whether the image ids are strings."""
        return self._arrays.has_string_ids

    def image_id(self, index: int) -> int | str:
        """Return the COCO image id of an image: a string if that of any image is one."""
        place = self._checked(index)
        if not self.has_string_ids:
            return int(self._arrays.image_ids[place])
        start, end = self._arrays.id_starts[place : place + 2].tolist()
        return self._arrays.id_texts[start:end].tobytes().decode()

    def image_ids(self) -> list[int | str]:
        """Return the COCO image ids of all images."""
        if not self.has_string_ids:
            return list(self._arrays.image_ids.tolist())
        starts, texts = self._arrays.id_starts.tolist(), self._arrays.id_texts.tobytes()
        return [texts[start:end].decode() for start, end in pairwise(starts)]

    def find(self, image_ids: Sequence[int | str]) -> tuple[npt.NDArray[np.intp], list[int | str]]:
        """Return the indices of the images with these ids, ascending and each once, and the ids that are unknown.

        An id may be given as an integer or as its decimal text.
        """
        indices: dict[int | str | None, int] = {one: index for index, one in enumerate(self.image_ids())}
        found = [indices.get(str(one) if self.has_string_ids else as_integer(one)) for one in image_ids]
        unknown = [one for one, index in zip(image_ids, found, strict=True) if index is None]
        return np.array(sorted({index for index in found if index is not None}), np.intp), unknown

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return the arrays of the index by name; see `ARRAYS`."""
        return {name: np.asarray(getattr(self._arrays, name)) for name in ARRAYS}

    def image_of(self, key: SampleKey) -> int:
        """Return the index of the image that the sample of a key is made from."""
        return key.index if self.substitutes is None else self.substitutes.image_of(key)

    def size(self, index: int) -> tuple[int, int]:
        """Return the annotated height and width of an image in pixels."""
        height, width = self.sizes[self._checked(index)].tolist()
        return height, width

    def file_name(self, index: int) -> str:
        """Return the name of an image in its image source."""
        place = self._checked(index)
        start, end = self._arrays.name_starts[place : place + 2].tolist()
        return self._arrays.names[start:end].tobytes().decode()

    def part_numbers(self) -> npt.NDArray[np.intp]:
        """Return (N,) intp: which of `sources` each image is from."""
        if len(self.sources) == 1:
            return np.zeros(len(self), np.intp)
        names, place = np.asarray(self._arrays.names), np.asarray(self._arrays.name_starts)[:-1].copy()
        numbers, digits = np.zeros(len(self), np.intp), np.ones(len(self), np.bool_)
        while (digits := digits & (names[place] != ord("/"))).any():  # the name begins with the number and a slash
            numbers[digits] = 10 * numbers[digits] + names[place[digits]] - ord("0")
            place[digits] += 1
        return numbers

    def boxes(self, index: int, keep_crowd: bool = True) -> npt.NDArray[np.float32]:
        """Return a copy of the boxes of an image, grouped by category, then in file order.

        (n, 5) float32: x0, y0, x1, y1 in image pixels, not clipped, and category 1…C. `keep_crowd=False` leaves out
        crowd boxes.
        """
        rows = self._rows(index)
        boxes = self.all_boxes[rows]
        return boxes.copy() if keep_crowd else boxes[~self.all_crowd[rows]]

    def crowd(self, index: int) -> npt.NDArray[np.bool_]:
        """Return (n,) bool, a copy: which boxes of an image are crowd boxes."""
        return self.all_crowd[self._rows(index)].copy()

    def _rows(self, index: int) -> slice:
        place = self._checked(index)
        start, end = self.box_starts[place : place + 2].tolist()
        return slice(start, end)

    def _checked(self, index: int) -> int:
        is_integer = hasattr(index, "__index__") and not isinstance(index, bool | np.bool_)
        if not is_integer or not 0 <= operator.index(index) < len(self):
            raise InvalidRequestError("index", index, f"an integer from 0 to {len(self) - 1}")
        return operator.index(index)
