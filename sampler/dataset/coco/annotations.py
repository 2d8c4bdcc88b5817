"""Annotation files of the COCO format as plain columns, in the order of the file.

A file that cannot be trusted as a whole is refused with one line that names file, place and cause. A single box that is
no box is dropped and listed, and the rest of the file is used.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NoReturn, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from sampler.dataset.coco.chunked_json import BLOCK, IrregularError, Take, take_arrays
from sampler.dataset.coco.columns import AnnotationColumns, CategoryColumns, ImageColumns, Odd
from sampler.dataset.coco.entries import (
    LOADED,
    AnnotationEntry,
    CategoryEntry,
    CocoFile,
    ImageEntry,
    LoadedAnnotationEntry,
    LoadedCoco,
    LoadedCocoFile,
    convert,
    decode,
    unreadable,
)
from sampler.dataset.coco.hashing_reader import HashedFile
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
    """A box that was dropped: whose it is, why, and what the file says (None stands for what is not finite)."""

    annotation_id: int
    image_id: int
    reason: str
    box: tuple[float | None, ...]
    detail: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Annotations:
    """The columns of an annotation file: N images, C categories, M usable boxes, each in file order.

    image_ids: (N,) int64. sizes: (N, 2) int32, height and width in pixels, ≥ 1. file_names: N relative paths.
    category_ids: (C,) int64. category_names: C texts.
    boxes: (M, 4) float64, x, y, width, height in pixels, finite, width and height > 0, not clipped.
    box_image_ids, box_category_ids, annotation_ids: (M,) int64. crowd: (M,) bool.
    rejected: the boxes that are not among the M.
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
    """What is gathered of a file's three lists."""

    images: ImageColumns = field(default_factory=ImageColumns)
    categories: CategoryColumns = field(default_factory=CategoryColumns)
    annotations: AnnotationColumns = field(default_factory=AnnotationColumns)


def read_annotations(file: Path) -> Annotations:
    """The columns of an annotation file. Raises AnnotationError when the file as a whole cannot be used."""
    try:
        with file.open("rb") as stream:
            return scan_annotations(stream, file)[0]
    except OSError as error:
        raise unreadable(file, error) from error


def scan_annotations(stream: BinaryIO, file: Path | str, block: int = BLOCK) -> tuple[Annotations, str]:
    """The columns of an annotation file, and the BLAKE2b-128 of its bytes in 32 hexadecimal digits, in one pass.

    stream: the open file; `file` is its name. block: bytes read at a time; about as many are in memory at
    once, as text and as entries, beside the columns. A file that does not fall into pieces is read whole: what
    cannot be used is refused there, with its place. Raises AnnotationError, and OSError from the stream.
    """
    columns = _Columns()
    try:
        with HashedFile(stream) as source:
            take_arrays(source.read, _takers(columns), block)
            digest = source.digest()
    except IrregularError:
        stream.seek(0)
        data = stream.read()
        return parse_annotations(data, file), hashlib.blake2b(data, digest_size=16).hexdigest()
    return _checked(columns, file), digest


def parse_annotations(data: bytes, file: Path | str) -> Annotations:
    """The columns of an annotation file's bytes; `file` is what errors name. Raises AnnotationError."""
    return _checked(_whole(decode(data, file)), file)


def loaded_annotations(loaded: LoadedCoco) -> Annotations:
    """The columns of an already loaded `pycocotools.coco.COCO`. Raises AnnotationError."""
    return _checked(_whole(convert(loaded)), LOADED)


def _takers(columns: _Columns) -> dict[str, Take]:
    """What takes the pieces of each list."""

    def taker(entry: type[Entry], add: Callable[[list[Entry]], None]) -> Take:
        decoder = msgspec.json.Decoder(list[entry])  # type: ignore[valid-type] # the type is a value here, as msgspec wants it

        def take(text: bytes) -> int:
            entries = decoder.decode(text)
            add(entries)
            return len(entries)

        return take

    return {
        "images": taker(ImageEntry, columns.images.add),
        "annotations": taker(AnnotationEntry, columns.annotations.add),
        "categories": taker(CategoryEntry, columns.categories.add),
    }


def _whole(coco: CocoFile | LoadedCocoFile) -> _Columns:
    columns = _Columns()
    columns.images.add(coco.images)
    columns.categories.add(coco.categories)
    columns.annotations.add(coco.annotations)
    return columns


def _checked(columns: _Columns, file: Path | str) -> Annotations:
    """The columns, when they fit one another."""

    def refuse(place: str, cause: str) -> NoReturn:
        raise AnnotationError(file, place, cause)

    image_ids = _unique_ids("images", columns.images.ids, refuse)
    category_ids = _unique_ids("categories", columns.categories.ids, refuse)
    annotation_ids, box_image_ids, box_category_ids = integers = columns.annotations.integers
    rows = _known("image_id", "images", annotation_ids, box_image_ids, image_ids, refuse)
    _known("category_id", "categories", annotation_ids, box_category_ids, category_ids, refuse)
    for fault in filter(None, (columns.images.bad_size, columns.images.bad_name)):
        refuse(*fault)
    sizes = columns.images.sizes
    boxes, usable, rejected = _boxes(columns.annotations, integers, sizes, rows)
    return Annotations(
        image_ids=image_ids,
        sizes=sizes,
        file_names=tuple(columns.images.names),
        category_ids=category_ids,
        category_names=tuple(columns.categories.names),
        boxes=boxes[usable],
        box_image_ids=box_image_ids[usable],
        box_category_ids=box_category_ids[usable],
        annotation_ids=annotation_ids[usable],
        crowd=columns.annotations.crowd[usable],
        rejected=rejected,
    )


def _unique_ids(what: str, ids: npt.NDArray[np.int64], refuse: Refuse) -> npt.NDArray[np.int64]:
    """The ids, all different, at least one."""
    if not len(ids):
        refuse(f"$.{what}", "is empty: expected at least one entry")
    order = np.argsort(ids, kind="stable")
    repeats = np.flatnonzero(np.diff(ids[order]) == 0)
    if len(repeats):
        place = int(order[repeats + 1].min())
        refuse(f"$.{what}[{place}].id", f"id {ids[place]} is used more than once")
    return ids


def _known(
    field: str,
    what: str,
    annotation_ids: npt.NDArray[np.int64],
    values: npt.NDArray[np.int64],
    ids: npt.NDArray[np.int64],
    refuse: Refuse,
) -> npt.NDArray[np.intp]:
    """For each annotation's value, its position among `ids`."""
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
    """(A, 4) float64 boxes of all annotations, (A,) bool which are usable, and the list of those that are not."""
    boxes, reasons = columns.boxes, dict[int, Odd]()
    for place, entry in columns.unboxed.items():
        boxes[place], fault = _unboxed(entry, sizes[rows[place]])
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


def _unboxed(
    entry: AnnotationEntry | LoadedAnnotationEntry, size: npt.NDArray[np.int32]
) -> tuple[list[float], Odd | None]:
    """A box for an annotation whose `bbox` is absent or not four long, and what is wrong with it if none can be."""
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
