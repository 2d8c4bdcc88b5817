"""A dataset without its pixels: sizes, file names and boxes of all images, by index."""

import operator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sampler.dataset.coco.annotations import RejectedBox
from sampler.dataset.index.storage import load_index, read_rejected
from sampler.errors import InvalidRequestError


class DatasetIndex:
    """The index of an annotation file, memory-mapped and shared by all processes of a host. Opening is cheap.

    Methods that take an index raise InvalidRequestError unless it is an integer from 0 to N-1.

    Attributes:
        index_dir: The folder of the index.
    """

    def __init__(self, index_dir: Path) -> None:
        """Open an index that `ensure_index` has built. Raises AnnotationError."""
        self.index_dir = index_dir
        self._arrays = load_index(index_dir)

    def __len__(self) -> int:
        return len(self._arrays.image_ids)

    def __repr__(self) -> str:
        kind = type(self).__name__
        return f"<{kind} of {len(self)} images, {self.box_count} boxes, {self.category_count} categories>"

    @property
    def digest(self) -> str:
        """32 hexadecimal digits: the identity of everything that samples take from the annotations."""
        return self._arrays.digest

    @property
    def box_count(self) -> int:
        """Number of boxes of all images, crowd boxes included."""
        return len(self._arrays.boxes)

    @property
    def crowd_count(self) -> int:
        """Number of crowd boxes of all images."""
        return int(np.count_nonzero(self._arrays.crowd))

    @property
    def category_count(self) -> int:
        """Number of categories C; boxes have the categories 1…C."""
        return len(self._arrays.category_ids)

    @property
    def category_names(self) -> tuple[str, ...]:
        """C names; category k of a box is called `category_names[k - 1]`."""
        return self._arrays.category_names

    @property
    def rejected(self) -> tuple[RejectedBox, ...]:
        """The invalid boxes of the annotation file, which were dropped. Read from disk on each access."""
        return read_rejected(self.index_dir)

    @property
    def all_boxes(self) -> npt.NDArray[np.float32]:
        """(M, 5) float32, read-only: the boxes of all images concatenated, crowd boxes included."""
        return self._arrays.boxes

    @property
    def annotation_ids(self) -> npt.NDArray[np.int64]:
        """(M,) int64, read-only: the COCO annotation ids of the rows of `all_boxes`."""
        return self._arrays.annotation_ids

    @property
    def box_starts(self) -> npt.NDArray[np.int64]:
        """(N+1,) int64, read-only: image i has the rows `box_starts[i]` to `box_starts[i + 1]` of `all_boxes`."""
        return self._arrays.box_starts

    @property
    def sizes(self) -> npt.NDArray[np.int32]:
        """(N, 2) int32, read-only: annotated height and width of each image in pixels."""
        return self._arrays.sizes

    def image_id(self, index: int) -> int:
        """Return the COCO image id of an image."""
        return int(self._arrays.image_ids[self._checked(index)])

    def size(self, index: int) -> tuple[int, int]:
        """Return the annotated height and width of an image in pixels."""
        height, width = self._arrays.sizes[self._checked(index)].tolist()
        return height, width

    def file_name(self, index: int) -> str:
        """Return the name of an image in its image source."""
        place = self._checked(index)
        start, end = self._arrays.name_starts[place : place + 2].tolist()
        return self._arrays.names[start:end].tobytes().decode()

    def boxes(self, index: int, keep_crowd: bool = True) -> npt.NDArray[np.float32]:
        """Return a copy of the boxes of an image, grouped by category, then in file order.

        Args:
            index: Index of the image.
            keep_crowd: False leaves out crowd boxes.

        Returns:
            (n, 5) float32: x0, y0, x1, y1 in image pixels, not clipped, and category 1…C.
        """
        rows = self._rows(index)
        boxes = self._arrays.boxes[rows]
        return boxes.copy() if keep_crowd else boxes[~self._arrays.crowd[rows]]

    def crowd(self, index: int) -> npt.NDArray[np.bool_]:
        """Return (n,) bool, a copy: which boxes of an image are crowd boxes."""
        return self._arrays.crowd[self._rows(index)].copy()

    def _rows(self, index: int) -> slice:
        place = self._checked(index)
        start, end = self._arrays.box_starts[place : place + 2].tolist()
        return slice(start, end)

    def _checked(self, index: int) -> int:
        is_integer = hasattr(index, "__index__") and not isinstance(index, bool | np.bool_)
        if not is_integer or not 0 <= operator.index(index) < len(self):
            raise InvalidRequestError("index", index, f"an integer from 0 to {len(self) - 1}")
        return operator.index(index)
