"""Annotations of a COCO-format file as columns, in the order of the file.

A file that is wrong as a whole is refused with one line that names file, place and cause. A single invalid box is
dropped and listed, and the rest of the file is used.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NoReturn, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from sampler.dataset.coco.chunked_json import BLOCK, Consumer, IrregularError, read_arrays
from sampler.dataset.coco.columns import AnnotationColumns, Fault, ImageColumns
from sampler.dataset.coco.entries import AnnotationEntry, CategoryEntry, ImageEntry, decode_file
from sampler.dataset.coco.hashing_reader import HashingReader
from sampler.dataset.coco.segmentation import outline_box
from sampler.errors import AnnotationError

NOT_FOUR_NUMBERS = "not four numbers"
NOT_FINITE = "not finite"
NO_AREA = "no width or no height"
NO_BOX = "neither box nor segmentation"
BAD_SEGMENTATION = "segmentation is not usable"

Refuse = Callable[[str, str], NoReturn]
Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True)
class RejectedBox:
    """A box that was dropped.

    Attributes:
        annotation_id: COCO id of the annotation.
        image_id: COCO id of its image.
        reason: One of the reasons above.
        box: The box in the file; None for a side that is not finite.
        detail: More about the reason, if there is more to say.
    """

    annotation_id: int
    image_id: int
    reason: str
    box: tuple[float | None, ...]
    detail: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Annotations:
    """Columns of an annotation file: N images, C categories, M valid boxes, each in file order.

    Attributes:
        image_ids: (N,) int64.
        sizes: (N, 2) int32, height and width in pixels, ≥ 1.
        file_names: N names of images in their image source.
        category_ids: (C,) int64.
        category_names: C names.
        boxes: (M, 4) float64, x, y, width, height in pixels, finite, width and height > 0, not clipped.
        box_image_ids: (M,) int64.
        box_category_ids: (M,) int64.
        annotation_ids: (M,) int64.
        crowd: (M,) bool.
        rejected: The invalid boxes.
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


@dataclass(frozen=True, slots=True)
class _Columns:
    images: ImageColumns = field(default_factory=ImageColumns)
    categories: list[CategoryEntry] = field(default_factory=list)
    annotations: AnnotationColumns = field(default_factory=AnnotationColumns)


def scan_annotations(stream: BinaryIO, file: Path | str, block: int = BLOCK) -> tuple[Annotations, str]:
    """Read an annotation file once; return its columns and its BLAKE2b-128 in 32 hexadecimal digits.

    Besides the columns, about `block` bytes are in memory, as text and as entries. A file that cannot be cut into
    pieces is read as a whole; that also finds the place of an error. Raises AnnotationError and OSError.
    """
    columns = _Columns()
    try:
        with HashingReader(stream) as source:
            read_arrays(source.read, _consumers(columns), block)
            digest = source.digest()
    except IrregularError:
        stream.seek(0)
        data = stream.read()
        return parse_annotations(data, file), hashlib.blake2b(data, digest_size=16).hexdigest()
    return _validated(columns, file), digest


def parse_annotations(data: bytes, file: Path | str) -> Annotations:
    """Return the columns of an annotation file from its bytes. `file` names it in errors. Raises AnnotationError."""
    coco, columns = decode_file(data, file), _Columns()
    columns.images.extend(coco.images)
    columns.categories.extend(coco.categories)
    columns.annotations.extend(coco.annotations)
    return _validated(columns, file)


def _consumers(columns: _Columns) -> dict[str, Consumer]:
    def consumer(entry: type[Entry], extend: Callable[[list[Entry]], None]) -> Consumer:
        decoder = msgspec.json.Decoder(list[entry])  # type: ignore[valid-type] # msgspec takes the type as a value

        def consume(text: bytes) -> int:
            entries = decoder.decode(text)
            extend(entries)
            return len(entries)

        return consume

    return {
        "images": consumer(ImageEntry, columns.images.extend),
        "annotations": consumer(AnnotationEntry, columns.annotations.extend),
        "categories": consumer(CategoryEntry, columns.categories.extend),
    }


def _validated(columns: _Columns, file: Path | str) -> Annotations:
    def refuse(place: str, cause: str) -> NoReturn:
        raise AnnotationError(file, place, cause)

    image_ids = columns.images.ids
    _check_ids("images", image_ids, refuse)
    category_ids = np.array([category.id for category in columns.categories], np.int64)
    _check_ids("categories", category_ids, refuse)
    annotation_ids, box_image_ids, box_category_ids = integers = columns.annotations.integers
    rows = _positions("image_id", "images", annotation_ids, box_image_ids, image_ids, refuse)
    _positions("category_id", "categories", annotation_ids, box_category_ids, category_ids, refuse)
    for fault in filter(None, (columns.images.bad_size, columns.images.bad_name)):
        refuse(*fault)
    sizes = columns.images.sizes
    boxes, usable, rejected = _boxes(columns.annotations, integers, sizes, rows)
    return Annotations(
        image_ids=image_ids,
        sizes=sizes,
        file_names=tuple(columns.images.names),
        category_ids=category_ids,
        category_names=tuple(category.name for category in columns.categories),
        boxes=boxes[usable],
        box_image_ids=box_image_ids[usable],
        box_category_ids=box_category_ids[usable],
        annotation_ids=annotation_ids[usable],
        crowd=columns.annotations.crowd[usable],
        rejected=rejected,
    )


def _check_ids(what: str, ids: npt.NDArray[np.int64], refuse: Refuse) -> None:
    if not len(ids):
        refuse(f"$.{what}", "is empty; expected at least one entry")
    order = np.argsort(ids, kind="stable")
    repeats = np.flatnonzero(np.diff(ids[order]) == 0)
    if len(repeats):
        place = int(order[repeats + 1].min())
        refuse(f"$.{what}[{place}].id", f"id {ids[place]} is used more than once")


def _positions(
    field: str,
    what: str,
    annotation_ids: npt.NDArray[np.int64],
    values: npt.NDArray[np.int64],
    ids: npt.NDArray[np.int64],
    refuse: Refuse,
) -> npt.NDArray[np.intp]:
    """Return (A,) intp: for the `field` of each annotation, its position in `ids`."""
    order = np.argsort(ids)
    found = np.minimum(np.searchsorted(ids[order], values), len(ids) - 1)
    positions = order[found]
    unknown = np.flatnonzero(ids[positions] != values)
    if len(unknown):
        place = int(unknown[0])
        cause = f"annotation {annotation_ids[place]} has {field} {values[place]}, which is not among the {what}"
        refuse(f"$.annotations[{place}].{field}", cause)
    return positions


def _boxes(
    columns: AnnotationColumns,
    integers: npt.NDArray[np.int64],
    sizes: npt.NDArray[np.int32],
    rows: npt.NDArray[np.intp],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_], tuple[RejectedBox, ...]]:
    """Return (A, 4) float64 boxes of all annotations, (A,) bool which are valid, and the list of the others."""
    boxes, reasons = columns.boxes, dict[int, Fault]()
    for place, entry in columns.unboxed.items():
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
        unboxed = columns.unboxed.get(place)
        box = _finite(boxes[place].tolist() if unboxed is None else unboxed.bbox or ())
        rejected.append(RejectedBox(annotation_id, image_id, reasons[place][0], box, reasons[place][1]))
    return boxes, usable, tuple(rejected)


def _box_of_outline(entry: AnnotationEntry, size: npt.NDArray[np.int32]) -> tuple[list[float], Fault | None]:
    """Return the box of an annotation without a usable `bbox`, and reason and detail if it cannot have one."""
    nothing = [0.0] * 4
    if entry.bbox:
        return nothing, (NOT_FOUR_NUMBERS, f"it has {len(entry.bbox)}")
    outline = entry.outline()
    if not outline:
        return nothing, (NO_BOX, "")
    try:
        return outline_box(outline, int(size[0]), int(size[1])), None
    except ValueError as error:
        return nothing, (BAD_SEGMENTATION, str(error))


def _finite(box: Sequence[float | None]) -> tuple[float | None, ...]:
    return tuple(side if side is not None and np.isfinite(side) else None for side in box)
