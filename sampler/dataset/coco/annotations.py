"""Annotations of a COCO-format file as columns, in the order of the file.

A file that is wrong as a whole is refused with one line that names file, place and cause. A single invalid box is
dropped and listed, and the rest of the file is used.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

import msgspec
import numpy as np
import numpy.typing as npt

from sampler.dataset.coco.chunked_json import BLOCK, Consumer, IrregularError, read_arrays
from sampler.dataset.coco.entries import AnnotationEntry, CategoryEntry, ImageEntry, decode_file
from sampler.dataset.coco.segmentation import outline_box
from sampler.dataset.images.source import name_fault
from sampler.errors import AnnotationError

NOT_FOUR_NUMBERS = "not four numbers"
NOT_FINITE = "not finite"
NO_AREA = "no width or no height"
NO_BOX = "neither box nor segmentation"
BAD_SEGMENTATION = "segmentation is not usable"

_LARGEST_SIDE = 2**31 - 1
_NO_SIDES = [0.0] * 4

Fault = tuple[str, str]
"""Reason and detail."""


@dataclass(frozen=True, slots=True)
class RejectedBox:
    """A box that was dropped, for one of the reasons above. In `box`, None stands for a side that is not finite."""

    annotation_id: int
    image_id: int
    reason: str
    box: tuple[float | None, ...]
    detail: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Annotations:
    """Columns of an annotation file: N images, C categories, M valid boxes, each in file order.

    `sizes` is (N, 2), height and width in pixels, ≥ 1. `boxes` is (M, 4): x, y, width, height in pixels, finite, width
    and height > 0, not clipped. The other columns have one row each; `rejected` has the invalid boxes.
    """

    image_ids: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int32]
    file_names: tuple[str, ...]
    category_ids: npt.NDArray[np.int64]
    category_names: tuple[str, ...]
    boxes: npt.NDArray[np.float64]
    box_image_ids: npt.NDArray[np.int64]
    box_category_ids: npt.NDArray[np.int64]
    annotation_ids: npt.NDArray[np.int64]
    crowd: npt.NDArray[np.bool_]
    rejected: tuple[RejectedBox, ...]


@dataclass(slots=True)
class _Contents:
    """What was read of a file. Entries become columns piece by piece, so that few are alive at a time.

    Attributes:
        image_ids: (n,) int64 each.
        sizes: (n, 2) float64 each, height and width as in the file.
        image_fault: Place and cause of the first image that is not valid.
        integers: (3, n) int64 each: annotation ids, image ids, category ids.
        boxes: (n, 4) float64 each, as in the file. NaN for a side that is null; zeros if unboxed.
        crowd: (n,) bool each.
        unboxed: Annotations whose box does not have four sides, by their place in the file.
    """

    image_ids: list[npt.NDArray[np.int64]] = field(default_factory=lambda: [np.empty(0, np.int64)])
    sizes: list[npt.NDArray[np.float64]] = field(default_factory=lambda: [np.empty((0, 2))])
    file_names: list[str] = field(default_factory=list)
    image_fault: tuple[str, str] | None = None
    categories: list[CategoryEntry] = field(default_factory=list)
    integers: list[npt.NDArray[np.int64]] = field(default_factory=lambda: [np.empty((3, 0), np.int64)])
    boxes: list[npt.NDArray[np.float64]] = field(default_factory=lambda: [np.empty((0, 4))])
    crowd: list[npt.NDArray[np.bool_]] = field(default_factory=lambda: [np.empty(0, np.bool_)])
    unboxed: dict[int, AnnotationEntry] = field(default_factory=dict)

    def add_images(self, entries: Sequence[ImageEntry]) -> None:
        first = len(self.file_names)
        sizes = np.array([(entry.height, entry.width) for entry in entries], np.float64).reshape(-1, 2)
        # `not (… >= 1)` instead of `… < 1`, because a missing side is NaN here.
        bad = np.flatnonzero(~((sizes >= 1) & (sizes <= _LARGEST_SIDE) & (sizes == np.floor(sizes))).all(axis=1))
        if len(bad):
            entry = entries[bad[0]]
            cause = f"image {entry.id} has width {entry.width} and height {entry.height}; expected whole numbers ≥ 1"
            self.image_fault = self.image_fault or (f"$.images[{first + bad[0]}]", cause)
        self.image_ids.append(np.array([entry.id for entry in entries], np.int64))
        self.sizes.append(sizes)
        for place, entry in enumerate(entries, first):
            self.file_names.append(self._file_name(place, entry))

    def _file_name(self, place: int, entry: ImageEntry) -> str:
        name, key = entry.file_name, "file_name"
        if name is None and entry.coco_url:
            name, key = "/".join(unquote(urlsplit(entry.coco_url).path).split("/")[-2:]), "coco_url"
        fault = "has no file_name" if name is None else name_fault(name)
        if fault:
            self.image_fault = self.image_fault or (f"$.images[{place}].{key}", f"image {entry.id}: {fault}")
        return name or ""

    def add_annotations(self, entries: Sequence[AnnotationEntry]) -> None:
        sides: list[float | None] = []
        for place, entry in enumerate(entries, sum(map(len, self.crowd))):
            if entry.bbox is not None and len(entry.bbox) == 4:
                sides.extend(entry.bbox)
                continue
            # A copy, so that the entry does not keep the text of the whole piece alive.
            entry.segmentation = entry.segmentation.copy()
            self.unboxed[place] = entry
            sides.extend(_NO_SIDES)
        integers = [entry.id for entry in entries], [entry.image_id for entry in entries]
        self.integers.append(np.array([*integers, [entry.category_id for entry in entries]], np.int64))
        self.boxes.append(np.array(sides, np.float64).reshape(-1, 4))
        self.crowd.append(np.array([bool(entry.iscrowd) for entry in entries], np.bool_))


def read_annotations(stream: BinaryIO, file: Path | str, block: int = BLOCK) -> Annotations:
    """Return the columns of an annotation file. `file` names it in errors. Raises AnnotationError and OSError.

    Besides the columns, about `block` bytes are in memory, as text and as entries. A file that cannot be cut into
    pieces is read as a whole; that also finds the place of an error.
    """
    contents = _Contents()
    consumers: dict[str, Consumer] = {
        "images": (msgspec.json.Decoder(list[ImageEntry]), contents.add_images),
        "annotations": (msgspec.json.Decoder(list[AnnotationEntry]), contents.add_annotations),
        "categories": (msgspec.json.Decoder(list[CategoryEntry]), contents.categories.extend),
    }
    stream.seek(0)
    try:
        read_arrays(stream.read, consumers, block)
    except IrregularError:
        stream.seek(0)
        return parse_annotations(stream.read(), file)
    return _validated(contents, file)


def parse_annotations(data: bytes, file: Path | str) -> Annotations:
    """Return the columns of an annotation file from its bytes. `file` names it in errors. Raises AnnotationError."""
    coco = decode_file(data, file)
    contents = _Contents(categories=coco.categories)
    contents.add_images(coco.images)
    contents.add_annotations(coco.annotations)
    return _validated(contents, file)


def _validated(contents: _Contents, file: Path | str) -> Annotations:
    image_ids = _unique("images", np.concatenate(contents.image_ids), file)
    category_ids = _unique("categories", np.array([entry.id for entry in contents.categories], np.int64), file)
    annotation_ids, box_image_ids, box_category_ids = integers = np.concatenate(contents.integers, axis=1)
    contents.integers.clear()  # here and below: frees memory before more of it is needed
    rows = _positions("image_id", "images", annotation_ids, box_image_ids, image_ids, file)
    _positions("category_id", "categories", annotation_ids, box_category_ids, category_ids, file)
    if contents.image_fault is not None:
        raise AnnotationError(file, *contents.image_fault)
    sizes = np.concatenate(contents.sizes).astype(np.int32)
    boxes, usable, rejected = _boxes(contents, integers, sizes, rows)
    return Annotations(
        image_ids=image_ids,
        sizes=sizes,
        file_names=tuple(contents.file_names),
        category_ids=category_ids,
        category_names=tuple(category.name for category in contents.categories),
        boxes=boxes[usable],
        box_image_ids=box_image_ids[usable],
        box_category_ids=box_category_ids[usable],
        annotation_ids=annotation_ids[usable],
        crowd=np.concatenate(contents.crowd)[usable],
        rejected=rejected,
    )


def _unique(what: str, ids: npt.NDArray[np.int64], file: Path | str) -> npt.NDArray[np.int64]:
    """Return the ids, which must be different and at least one."""
    if not len(ids):
        raise AnnotationError(file, f"$.{what}", "is empty; expected at least one entry")
    order = np.argsort(ids, kind="stable")
    repeats = np.flatnonzero(np.diff(ids[order]) == 0)
    if len(repeats):
        place = int(order[repeats + 1].min())
        raise AnnotationError(file, f"$.{what}[{place}].id", f"id {ids[place]} is used more than once")
    return ids


def _positions(
    field: str,
    what: str,
    annotation_ids: npt.NDArray[np.int64],
    values: npt.NDArray[np.int64],
    ids: npt.NDArray[np.int64],
    file: Path | str,
) -> npt.NDArray[np.intp]:
    """Return (A,) intp: for the `field` of each annotation, its position in `ids`."""
    order = np.argsort(ids)
    found = np.minimum(np.searchsorted(ids[order], values), len(ids) - 1)
    positions = order[found]
    unknown = np.flatnonzero(ids[positions] != values)
    if len(unknown):
        place = int(unknown[0])
        cause = f"annotation {annotation_ids[place]} has {field} {values[place]}, which is not among the {what}"
        raise AnnotationError(file, f"$.annotations[{place}].{field}", cause)
    return positions


def _boxes(
    contents: _Contents,
    integers: npt.NDArray[np.int64],
    sizes: npt.NDArray[np.int32],
    rows: npt.NDArray[np.intp],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_], tuple[RejectedBox, ...]]:
    """Return (A, 4) float64 boxes of all annotations, (A,) bool which are valid, and the list of the others."""
    boxes, reasons = np.concatenate(contents.boxes), dict[int, Fault]()
    contents.boxes.clear()
    for place, entry in contents.unboxed.items():
        boxes[place], fault = _box_of_outline(entry, sizes[rows[place]])
        if fault is not None:
            reasons[place] = fault
    with np.errstate(over="ignore", invalid="ignore"):
        corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1).astype(np.float32)
        finite = np.all(np.isfinite(boxes) & np.isfinite(corners), axis=1)
        area = np.all((boxes[:, 2:] > 0) & (corners[:, 2:] > corners[:, :2]), axis=1)
    for place in np.flatnonzero(~(finite & area)).tolist():
        reasons.setdefault(place, (NO_AREA if finite[place] else NOT_FINITE, ""))
    usable = np.ones(len(boxes), np.bool_)
    usable[list(reasons)] = False
    rejected = []
    for place in sorted(reasons):
        annotation_id, image_id, _ = integers[:, place].tolist()
        unboxed = contents.unboxed.get(place)
        box = _finite(boxes[place].tolist() if unboxed is None else unboxed.bbox or ())
        rejected.append(RejectedBox(annotation_id, image_id, reasons[place][0], box, reasons[place][1]))
    return boxes, usable, tuple(rejected)


def _box_of_outline(entry: AnnotationEntry, size: npt.NDArray[np.int32]) -> tuple[list[float], Fault | None]:
    """Return the box of an annotation without a usable `bbox`, and reason and detail if it cannot have one."""
    if entry.bbox:
        return _NO_SIDES, (NOT_FOUR_NUMBERS, f"it has {len(entry.bbox)}")
    outline = entry.outline()
    if not outline:
        return _NO_SIDES, (NO_BOX, "")
    try:
        return outline_box(outline, int(size[0]), int(size[1])), None
    except ValueError as error:
        return _NO_SIDES, (BAD_SEGMENTATION, str(error))


def _finite(box: Sequence[float | None]) -> tuple[float | None, ...]:
    return tuple(side if side is not None and np.isfinite(side) else None for side in box)
