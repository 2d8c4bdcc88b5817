"""What was read of an annotation file: entries become columns piece by piece, so that few are alive at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

import numpy as np
import numpy.typing as npt

from sampler.dataset.coco.boxes import sides_of
from sampler.dataset.coco.entries import AnnotationEntry, CategoryEntry, ImageEntry
from sampler.dataset.coco.image_ids import IdColumn
from sampler.dataset.image_names import name_fault
from sampler.printable import printable

LARGEST_SIDE = 2**31 - 1
_NO_SIDES = (0.0, 0.0, 0.0, 0.0)


@dataclass(slots=True)
class Contents:
    """The columns of a file, in pieces and in file order.

    Attributes:
        image_ids: Ids of the images.
        sizes: (n, 2) float64 each, height and width as in the file.
        image_fault: Place and cause of the first image that is not valid.
        integers: (2, n) int64 each: annotation ids, category ids.
        box_image_ids: Image ids of the annotations.
        boxes: (n, 4) float64 each, as in the file. NaN for a side that is null; zeros if unboxed.
        areas: (n,) float64 each, NaN if absent or not a number.
        crowd: (n,) bool each.
        unboxed: Annotations whose box must be computed from the segmentation, by their place in the file.
    """

    image_ids: IdColumn = field(default_factory=IdColumn)
    sizes: list[npt.NDArray[np.float64]] = field(default_factory=lambda: [np.empty((0, 2))])
    file_names: list[str] = field(default_factory=list)
    image_fault: tuple[str, str] | None = None
    categories: list[CategoryEntry] = field(default_factory=list)
    integers: list[npt.NDArray[np.int64]] = field(default_factory=lambda: [np.empty((2, 0), np.int64)])
    box_image_ids: IdColumn = field(default_factory=IdColumn)
    boxes: list[npt.NDArray[np.float64]] = field(default_factory=lambda: [np.empty((0, 4))])
    areas: list[npt.NDArray[np.float64]] = field(default_factory=lambda: [np.empty(0)])
    crowd: list[npt.NDArray[np.bool_]] = field(default_factory=lambda: [np.empty(0, np.bool_)])
    unboxed: dict[int, AnnotationEntry] = field(default_factory=dict)

    def add_images(self, entries: Sequence[ImageEntry]) -> None:
        """Append some images."""
        first = len(self.file_names)
        sizes = _float_sizes(entries)
        # `not (… >= 1)` instead of `… < 1`, because a missing side is NaN here.
        bad = np.flatnonzero(~((sizes >= 1) & (sizes <= LARGEST_SIDE) & (sizes == np.floor(sizes))).all(axis=1))
        self.image_ids.add([entry.id for entry in entries])
        self.sizes.append(sizes)
        for place, entry in enumerate(entries, first):
            if len(bad) and place == first + bad[0]:
                cause = f"width {entry.width} and height {entry.height}; expected whole numbers ≥ 1"
                self._add_fault(f"$.images[{place}]", entry, cause)
            self.file_names.append(self._file_name(place, entry))

    def _file_name(self, place: int, entry: ImageEntry) -> str:
        name, key = entry.file_name, "file_name"
        if name is None and entry.coco_url:
            name, key = "/".join(unquote(urlsplit(entry.coco_url).path).split("/")[-2:]), "coco_url"
        fault = "has no file_name" if name is None else name_fault(name)
        if fault:
            self._add_fault(f"$.images[{place}].{key}", entry, fault)
        return name or ""

    def _add_fault(self, place: str, entry: ImageEntry, cause: str) -> None:
        """Keep the first fault only."""
        self.image_fault = self.image_fault or (place, f"image {printable(str(entry.id))}: {cause}")

    def add_annotations(self, entries: Sequence[AnnotationEntry]) -> None:
        """Append some annotations."""
        sides: list[float | None] = []
        for place, entry in enumerate(entries, sum(map(len, self.crowd))):
            box = sides_of(entry)
            if box is None:
                # A copy, so that the entry does not keep the text of the whole piece alive.
                entry.segmentation = entry.segmentation.copy()
                self.unboxed[place] = entry
            sides.extend(_NO_SIDES if box is None else box)
        integers = [entry.id for entry in entries], [entry.category_id for entry in entries]
        self.integers.append(np.array(integers, np.int64))
        self.box_image_ids.add([entry.image_id for entry in entries])
        self.boxes.append(np.array(sides, np.float64).reshape(-1, 4))
        self.areas.append(np.array([entry.area_or_nan() for entry in entries], np.float64))
        self.crowd.append(np.array([bool(entry.iscrowd) for entry in entries], np.bool_))


def _float_sizes(entries: Sequence[ImageEntry]) -> npt.NDArray[np.float64]:
    """Return (n, 2) float64, height and width of the images. Infinity for an integer beyond all floats."""
    try:
        return np.array([(entry.height, entry.width) for entry in entries], np.float64).reshape(-1, 2)
    except OverflowError:
        sides = [side for entry in entries for side in (entry.height, entry.width)]
        limited = [np.inf if side is not None and abs(side) > LARGEST_SIDE else side for side in sides]
        return np.array(limited, np.float64).reshape(-1, 2)
