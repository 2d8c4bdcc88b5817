"""Columns of an annotation file, appended to in pieces so that few entries are alive at a time.

Faults of an entry are recorded with their place in the file. `sampler.dataset.coco.annotations` decides what they mean
once all entries are there.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import numpy as np
import numpy.typing as npt

from sampler.dataset.coco.entries import AnnotationEntry, ImageEntry
from sampler.dataset.images.source import name_fault

Number = TypeVar("Number", bound=np.generic)
Fault = tuple[str, str]
"""The place in the file, and the problem."""

_LARGEST_SIDE = 2**31 - 1


class ImageColumns:
    """Columns of `images`.

    Attributes:
        names: Name of each image in its image source, "" if it has no valid one.
        bad_size: The first invalid size.
        bad_name: The first invalid name.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.bad_size: Fault | None = None
        self.bad_name: Fault | None = None
        self._ids: list[npt.NDArray[np.int64]] = []
        self._sizes: list[npt.NDArray[np.float64]] = []

    @property
    def ids(self) -> npt.NDArray[np.int64]:
        """(N,) int64."""
        return _concatenated(self._ids, np.int64)

    @property
    def sizes(self) -> npt.NDArray[np.int32]:
        """(N, 2) int32: height and width in pixels. Call only if there is no `bad_size`."""
        return _concatenated(self._sizes, np.float64).reshape(-1, 2).astype(np.int32)

    def extend(self, images: Sequence[ImageEntry]) -> None:
        """Append images."""
        first = len(self.names)
        sizes = np.array([(image.height, image.width) for image in images], np.float64).reshape(-1, 2)
        # `not (… >= 1)` instead of `… < 1`, because a missing side is NaN here.
        bad = np.flatnonzero(~((sizes >= 1) & (sizes <= _LARGEST_SIDE) & (sizes == np.floor(sizes))).all(axis=1))
        if len(bad) and self.bad_size is None:
            image = images[bad[0]]
            cause = f"image {image.id} has width {image.width} and height {image.height}; expected whole numbers ≥ 1"
            self.bad_size = f"$.images[{first + bad[0]}]", cause
        self._sizes.append(sizes)
        self._ids.append(np.array([image.id for image in images], np.int64))
        for place, image in enumerate(images, first):
            self.names.append(self._name(place, image))

    def _name(self, place: int, image: ImageEntry) -> str:
        name, field = image.file_name, "file_name"
        if name is None and image.coco_url:
            name, field = "/".join(unquote(urlsplit(image.coco_url).path).split("/")[-2:]), "coco_url"
        fault = "has no file_name" if name is None else name_fault(name)
        if name is not None and not fault:
            return name
        self.bad_name = self.bad_name or (f"$.images[{place}].{field}", f"image {image.id}: {fault}")
        return ""


class AnnotationColumns:
    """Columns of `annotations`.

    Attributes:
        unboxed: Annotations whose box does not have four sides, by their place in the file.
    """

    def __init__(self) -> None:
        self.unboxed: dict[int, AnnotationEntry] = {}
        self._count = 0
        self._integers: tuple[list[npt.NDArray[np.int64]], ...] = ([], [], [])
        self._crowd: list[npt.NDArray[np.bool_]] = []
        self._boxes: list[npt.NDArray[np.float64]] = []

    @property
    def integers(self) -> npt.NDArray[np.int64]:
        """(3, A) int64: annotation ids, image ids, category ids."""
        return np.stack([_concatenated(parts, np.int64) for parts in self._integers])

    @property
    def crowd(self) -> npt.NDArray[np.bool_]:
        """(A,) bool."""
        return _concatenated(self._crowd, np.bool_)

    @property
    def boxes(self) -> npt.NDArray[np.float64]:
        """(A, 4) float64: x, y, width, height as in the file. NaN for a side that is null; zeros if unboxed."""
        return _concatenated(self._boxes, np.float64).reshape(-1, 4)

    def extend(self, entries: Sequence[AnnotationEntry]) -> None:
        """Append annotations."""
        count = len(entries)
        ids, image_ids, category_ids = self._integers
        ids.append(np.fromiter([entry.id for entry in entries], np.int64, count))
        image_ids.append(np.fromiter([entry.image_id for entry in entries], np.int64, count))
        category_ids.append(np.fromiter([entry.category_id for entry in entries], np.int64, count))
        self._crowd.append(np.array([bool(entry.iscrowd) for entry in entries], np.bool_))
        boxes = _regular_boxes([entry.bbox for entry in entries])
        self._boxes.append(self._irregular_boxes(entries) if boxes is None else boxes)
        self._count += count

    def _irregular_boxes(self, entries: Sequence[AnnotationEntry]) -> npt.NDArray[np.float64]:
        nothing: list[float | None] = [0.0] * 4
        boxes = []
        for place, entry in enumerate(entries, self._count):
            if entry.bbox is None or len(entry.bbox) != 4:
                # A copy, so that the entry does not keep the text of the whole piece alive.
                entry.segmentation = entry.segmentation.copy()
                self.unboxed[place] = entry
                boxes.append(nothing)
            else:
                boxes.append(entry.bbox)
        return np.array(boxes, np.float64).reshape(-1, 4)


def _concatenated(parts: Sequence[npt.NDArray[Number]], dtype: type[Number]) -> npt.NDArray[Number]:
    return np.concatenate([np.empty(0, dtype), *(part.reshape(-1) for part in parts)])


def _regular_boxes(lists: Sequence[Any]) -> npt.NDArray[np.float64] | None:
    """Return (n, 4) float64 if every box is four numbers, or None. Faster than letting NumPy find out."""
    if None in lists or not {4}.issuperset(map(len, lists)):
        return None
    try:
        return np.fromiter(chain.from_iterable(lists), np.float64, 4 * len(lists)).reshape(-1, 4)
    except TypeError:  # a side is null
        return None
