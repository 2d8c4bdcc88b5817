"""Annotations of a COCO-format file as columns, in the order of the file.

A file that is wrong as a whole is refused with one line that names file, place and cause. A single invalid box is
dropped and listed, and the rest of the file is used. Boxes of images that are not listed are ignored and counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np
import numpy.typing as npt

from sampler.dataset.coco.boxes import Fault, RejectedBox, UnlistedBox, checked_boxes, finite_sides
from sampler.dataset.coco.chunked_json import BLOCK, Consumer, IrregularError, read_arrays
from sampler.dataset.coco.contents import Contents
from sampler.dataset.coco.entries import AnnotationEntry, CategoryEntry, ImageEntry, decode_file
from sampler.dataset.coco.image_ids import IdColumn, ranks, rows_of
from sampler.dataset.coco.json_stream import JsonStream
from sampler.dataset.image_ids import ImageId
from sampler.errors import AnnotationError

UNLISTED_EXAMPLES = 1000
"""How many boxes of unlisted images are listed one by one."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The boxes of an annotation file that are not used: dropped, or of images that are not listed.

    Attributes:
        unlisted: The first boxes of unlisted images.
        unlisted_count: Number of all boxes of unlisted images.
    """

    rejected: tuple[RejectedBox, ...] = ()
    unlisted: tuple[UnlistedBox, ...] = ()
    unlisted_count: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Annotations:
    """Columns of an annotation file: N images, C categories, M valid boxes, each in file order.

    `sizes` is (N, 2), height and width in pixels, ≥ 1. `boxes` is (M, 4): x, y, width, height in pixels, finite, width
    and height > 0, not clipped. `areas` is NaN where the file has no number. The other columns have one row each.

    `string_ids` is empty if the image ids are integers. Otherwise it has all of them, and `image_ids` their places in
    the order by code point. `box_image_ids` are values of `image_ids`.
    """

    image_ids: npt.NDArray[np.int64]
    string_ids: tuple[str, ...]
    sizes: npt.NDArray[np.int32]
    file_names: tuple[str, ...]
    category_ids: npt.NDArray[np.int64]
    category_names: tuple[str, ...]
    supercategories: tuple[str, ...]
    boxes: npt.NDArray[np.float64]
    areas: npt.NDArray[np.float64]
    box_image_ids: npt.NDArray[np.int64]
    box_category_ids: npt.NDArray[np.int64]
    annotation_ids: npt.NDArray[np.int64]
    crowd: npt.NDArray[np.bool_]
    left_out: LeftOut


def read_annotations(stream: BinaryIO, file: Path | str, block: int = BLOCK) -> Annotations:
    """Return the columns of an annotation file, which may be gzip-compressed.

    `file` names it in errors. Raises AnnotationError and OSError. Besides the columns, about `block` bytes are in
    memory, as text and as entries. A file that cannot be cut into pieces is read as a whole; that also finds the place
    of an error.
    """
    contents = Contents()
    consumers: dict[str, Consumer] = {
        "images": (msgspec.json.Decoder(list[ImageEntry]), contents.add_images),
        "annotations": (msgspec.json.Decoder(list[AnnotationEntry]), contents.add_annotations),
        "categories": (msgspec.json.Decoder(list[CategoryEntry]), contents.categories.extend),
    }
    text = JsonStream(stream, file)
    try:
        read_arrays(text.read, consumers, block)
    except IrregularError:
        text.rewind()
        return _parsed(text)
    return _validated(contents, file)


def parse_annotations(data: bytes, file: Path | str) -> Annotations:
    """Return the columns of an annotation file from its bytes. `file` names it in errors. Raises AnnotationError."""
    return _parsed(JsonStream(BytesIO(data), file))


def _parsed(text: JsonStream) -> Annotations:
    coco = decode_file(text.read(), text.file, text.place)
    contents = Contents(categories=coco.categories)
    contents.add_images(coco.images)
    contents.add_annotations(coco.annotations)
    return _validated(contents, text.file)


def _validated(contents: Contents, file: Path | str) -> Annotations:
    names, image_ids = _image_ids(contents.image_ids, file)
    category_ids = _unique("categories", np.array([entry.id for entry in contents.categories], np.int64), file)
    if contents.image_fault is not None:
        raise AnnotationError(file, *contents.image_fault)
    annotation_ids, box_category_ids = np.concatenate(contents.integers, axis=1)
    contents.integers.clear()  # here and below: frees memory before more of it is needed
    rows = rows_of(contents.box_image_ids, contents.image_ids)
    listed = rows >= 0
    _check_categories(annotation_ids, box_category_ids, listed, category_ids, file)
    sizes = np.concatenate(contents.sizes).astype(np.int32)
    boxes = np.concatenate(contents.boxes)
    contents.boxes.clear()
    unboxed = {place: entry for place, entry in contents.unboxed.items() if listed[place]}
    valid, faults = checked_boxes(boxes, unboxed, sizes[rows])
    used = valid & listed
    return Annotations(
        image_ids=image_ids,
        string_ids=names,
        sizes=sizes,
        file_names=tuple(contents.file_names),
        category_ids=category_ids,
        category_names=tuple(category.name for category in contents.categories),
        supercategories=tuple(category.group() for category in contents.categories),
        boxes=boxes[used],
        areas=np.concatenate(contents.areas)[used],
        box_image_ids=image_ids[rows[used]],
        box_category_ids=box_category_ids[used],
        annotation_ids=annotation_ids[used],
        crowd=np.concatenate(contents.crowd)[used],
        left_out=_left_out(contents, annotation_ids, boxes, faults, names or image_ids.tolist(), rows),
    )


def _image_ids(column: IdColumn, file: Path | str) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """Return the string ids of the images, if they have any, and (N,) int64: their integer ids or ranks."""
    if not column.has_text:
        return (), _unique("images", column.integers(), file)
    texts = column.texts()
    return tuple(texts), _unique("images", ranks(texts), file, texts)


def _unique(
    what: str, ids: npt.NDArray[np.int64], file: Path | str, texts: Sequence[str] | None = None
) -> npt.NDArray[np.int64]:
    """Return the ids, which must be different and at least one. `texts` are their names in errors."""
    if not len(ids):
        raise AnnotationError(file, f"$.{what}", "is empty; expected at least one entry")
    order = np.argsort(ids, kind="stable")
    repeats = np.flatnonzero(np.diff(ids[order]) == 0)
    if len(repeats):
        place = int(order[repeats + 1].min())
        name = int(ids[place]) if texts is None else texts[place]
        raise AnnotationError(file, f"$.{what}[{place}].id", f"id {name!r} is used more than once")
    return ids


def _check_categories(
    annotation_ids: npt.NDArray[np.int64],
    values: npt.NDArray[np.int64],
    listed: npt.NDArray[np.bool_],
    ids: npt.NDArray[np.int64],
    file: Path | str,
) -> None:
    """Raise AnnotationError if the category of a box of a listed image is not among the categories."""
    unknown = np.flatnonzero(listed & ~np.isin(values, ids))
    if len(unknown):
        place = int(unknown[0])
        cause = f"annotation {annotation_ids[place]} has category_id {values[place]}, which is not among the categories"
        raise AnnotationError(file, f"$.annotations[{place}].category_id", cause)


def _left_out(
    contents: Contents,
    annotation_ids: npt.NDArray[np.int64],
    boxes: npt.NDArray[np.float64],
    faults: dict[int, Fault],
    image_ids: Sequence[ImageId],
    rows: npt.NDArray[np.intp],
) -> LeftOut:
    """Return the boxes that are not used. `rows` has the place of the image of each box in `image_ids`, -1 if none."""
    rejected = []
    for place, (reason, detail) in faults.items():
        if rows[place] >= 0:
            unboxed = contents.unboxed.get(place)
            box = finite_sides(boxes[place].tolist() if unboxed is None else unboxed.bbox or ())
            rejected.append(RejectedBox(int(annotation_ids[place]), image_ids[rows[place]], reason, box, detail))
    places = np.flatnonzero(rows < 0)
    first = places[:UNLISTED_EXAMPLES].tolist()
    unlisted = [UnlistedBox(int(annotation_ids[place]), contents.box_image_ids.at(place)) for place in first]
    return LeftOut(tuple(rejected), tuple(unlisted), len(places))
