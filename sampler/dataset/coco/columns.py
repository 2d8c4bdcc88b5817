"""The entries of an annotation file as columns, taken over in pieces, so that few entries are alive at a time.

What is odd about an entry is kept with its place in the file. Whether the file is refused for it is decided when all
entries are there, by `sampler.dataset.coco.annotations`.
"""

import re
from collections.abc import Sequence
from itertools import chain
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import msgspec
import numpy as np
import numpy.typing as npt

from sampler.dataset.coco.entries import AnnotationEntry, CategoryEntry, ImageEntry, LoadedAnnotationEntry

Number = TypeVar("Number", bound=np.generic)
Odd = tuple[str, str]
"""Where an entry is odd, and how."""

_LARGEST_SIDE = 2**31 - 1
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
"""Names that are soon seen to be in order: most are like this."""


class ImageColumns:
    """The images so far: `names` has their paths below the image folder, which no path may leave.

    bad_size, bad_name: the first of each that cannot be used; a bad name stands as an empty text.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.bad_size: Odd | None = None
        self.bad_name: Odd | None = None
        self._ids: list[npt.NDArray[np.int64]] = []
        self._sizes: list[npt.NDArray[np.float64]] = []

    @property
    def ids(self) -> npt.NDArray[np.int64]:
        """(N,) int64."""
        return _joined(self._ids, np.int64)

    @property
    def sizes(self) -> npt.NDArray[np.int32]:
        """(N, 2) int32 heights and widths; to be asked for when no size is bad."""
        return _joined(self._sizes, np.float64).reshape(-1, 2).astype(np.int32)

    def add(self, images: Sequence[ImageEntry]) -> None:
        """Take over more images."""
        first = len(self.names)
        sizes = np.array([(image.height, image.width) for image in images], np.float64).reshape(-1, 2)
        # `not (… >= 1)` and not `… < 1`: a side that is absent is NaN here.
        bad = np.flatnonzero(~((sizes >= 1) & (sizes <= _LARGEST_SIDE) & (sizes == np.floor(sizes))).all(axis=1))
        if len(bad) and self.bad_size is None:
            image = images[bad[0]]
            cause = f"image {image.id} has width {image.width} and height {image.height}: expected whole numbers ≥ 1"
            self.bad_size = f"$.images[{first + bad[0]}]", cause
        self._sizes.append(sizes)
        self._ids.append(np.array([image.id for image in images], np.int64))
        for place, image in enumerate(images, first):
            self.names.append(self._name(place, image))

    def _name(self, place: int, image: ImageEntry) -> str:
        name, field = image.file_name, "file_name"
        if name is None and image.coco_url:
            name, field = "/".join(unquote(urlsplit(image.coco_url).path).split("/")[-2:]), "coco_url"
        fault = "has no file_name" if name is None else _name_fault(name)
        if name is not None and not fault:
            return name
        self.bad_name = self.bad_name or (f"$.images[{place}].{field}", f"image {image.id}: {fault}")
        return ""


class CategoryColumns:
    """The categories so far."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._ids: list[int] = []

    @property
    def ids(self) -> npt.NDArray[np.int64]:
        """(C,) int64."""
        return np.array(self._ids, np.int64)

    def add(self, categories: Sequence[CategoryEntry]) -> None:
        """Take over more categories."""
        self.names += [category.name for category in categories]
        self._ids += [category.id for category in categories]


class AnnotationColumns:
    """The annotations so far. `unboxed` has those whose box is not four long, by their place in the file.

    In `boxes` zeros stand for such a box, and NaN for a side that is null.
    """

    def __init__(self) -> None:
        self.unboxed: dict[int, AnnotationEntry | LoadedAnnotationEntry] = {}
        self._count = 0
        self._integers: tuple[list[npt.NDArray[np.int64]], ...] = ([], [], [])
        self._crowd: list[npt.NDArray[np.bool_]] = []
        self._boxes: list[npt.NDArray[np.float64]] = []

    @property
    def integers(self) -> npt.NDArray[np.int64]:
        """(3, A) int64: annotation ids, image ids, category ids."""
        return np.stack([_joined(parts, np.int64) for parts in self._integers])

    @property
    def crowd(self) -> npt.NDArray[np.bool_]:
        """(A,) bool."""
        return _joined(self._crowd, np.bool_)

    @property
    def boxes(self) -> npt.NDArray[np.float64]:
        """(A, 4) float64 x, y, width, height as they stand in the file."""
        return _joined(self._boxes, np.float64).reshape(-1, 4)

    def add(self, entries: Sequence[AnnotationEntry | LoadedAnnotationEntry]) -> None:
        """Take over more annotations."""
        count = len(entries)
        ids, image_ids, category_ids = self._integers
        ids.append(np.fromiter([entry.id for entry in entries], np.int64, count))
        image_ids.append(np.fromiter([entry.image_id for entry in entries], np.int64, count))
        category_ids.append(np.fromiter([entry.category_id for entry in entries], np.int64, count))
        self._crowd.append(np.array([bool(entry.iscrowd) for entry in entries], np.bool_))
        boxes = _plain_boxes([entry.bbox for entry in entries])
        self._boxes.append(self._odd_boxes(entries) if boxes is None else boxes)
        self._count += count

    def _odd_boxes(self, entries: Sequence[AnnotationEntry | LoadedAnnotationEntry]) -> npt.NDArray[np.float64]:
        nothing: list[float | None] = [0.0] * 4
        boxes = []
        for place, entry in enumerate(entries, self._count):
            if entry.bbox is None or len(entry.bbox) != 4:
                self.unboxed[place] = _on_its_own(entry)
                boxes.append(nothing)
            else:
                boxes.append(entry.bbox)
        return np.array(boxes, np.float64).reshape(-1, 4)


def _joined(parts: Sequence[npt.NDArray[Number]], dtype: type[Number]) -> npt.NDArray[Number]:
    """(n,) of all the parts' values, one behind the other."""
    return np.concatenate([np.empty(0, dtype), *(part.reshape(-1) for part in parts)])


def _plain_boxes(lists: Sequence[Any]) -> npt.NDArray[np.float64] | None:
    """(n, 4) float64 boxes where each of `lists` is four numbers, quicker than NumPy can find that out; or None."""
    if None in lists or not {4}.issuperset(map(len, lists)):
        return None
    try:
        return np.fromiter(chain.from_iterable(lists), np.float64, 4 * len(lists)).reshape(-1, 4)
    except TypeError:  # a side is null, and none may be expected to be
        return None


def _on_its_own(entry: AnnotationEntry | LoadedAnnotationEntry) -> AnnotationEntry | LoadedAnnotationEntry:
    """The entry without the text of its whole piece, which the segmentation is part of."""
    if isinstance(entry.segmentation, msgspec.Raw):
        entry.segmentation = entry.segmentation.copy()
    return entry


def _name_fault(name: str) -> str:
    """What is wrong with a file name, or nothing."""
    if _PLAIN_NAME.fullmatch(name):
        return ""
    if not name.strip("/. "):
        return f"{name!r} names no file"
    if "\\" in name or "\0" in name:
        return f"{name!r} holds a backslash or NUL: expected a path with forward slashes"
    if name.startswith("/") or (".." in name and ".." in name.split("/")):
        return f"{name!r} leaves the image folder: expected a relative path without '..'"
    try:
        name.encode()
    except UnicodeEncodeError:
        return f"{name!r} is not valid text"
    return ""
