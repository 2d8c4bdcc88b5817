"""Annotation files of the COCO format as plain columns, in the order of the file.

A file that cannot be trusted as a whole is refused with one line that names file, place and cause. A single box that is
no box is dropped and listed, and the rest of the file is used.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import unquote, urlsplit

import numpy as np
import numpy.typing as npt

from sampler.coco_json import (
    LOADED,
    AnnotationEntry,
    CocoFile,
    ImageEntry,
    LoadedAnnotationEntry,
    LoadedCoco,
    LoadedCocoFile,
    convert,
    decode,
    read_bytes,
)
from sampler.errors import AnnotationError
from sampler.segmentation import outline_box

NOT_FOUR_NUMBERS = "not four numbers"
NOT_FINITE = "not finite"
NO_AREA = "no width or no height"
NO_BOX = "neither box nor segmentation"
BAD_SEGMENTATION = "segmentation is not usable"

_LARGEST_SIDE = 2**31 - 1

Refuse = Callable[[str, str], NoReturn]


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


def read_annotations(file: Path) -> Annotations:
    """The columns of an annotation file. Raises AnnotationError when the file as a whole cannot be used."""
    return parse_annotations(read_bytes(file), file)


def parse_annotations(data: bytes, file: Path | str) -> Annotations:
    """The columns of an annotation file's bytes; `file` is what errors name. Raises AnnotationError."""
    return _columns(decode(data, file), file)


def loaded_annotations(loaded: LoadedCoco) -> Annotations:
    """The columns of an already loaded `pycocotools.coco.COCO`. Raises AnnotationError."""
    return _columns(convert(loaded), LOADED)


def _columns(coco: CocoFile | LoadedCocoFile, file: Path | str) -> Annotations:
    def refuse(place: str, cause: str) -> NoReturn:
        raise AnnotationError(file, place, cause)

    image_ids = _unique_ids("images", [image.id for image in coco.images], refuse)
    category_ids = _unique_ids("categories", [category.id for category in coco.categories], refuse)
    entries: Sequence[AnnotationEntry | LoadedAnnotationEntry] = coco.annotations
    count = len(entries)
    box_image_ids = np.fromiter((entry.image_id for entry in entries), np.int64, count)
    box_category_ids = np.fromiter((entry.category_id for entry in entries), np.int64, count)
    rows = _known("image_id", "images", entries, box_image_ids, image_ids, refuse)
    _known("category_id", "categories", entries, box_category_ids, category_ids, refuse)
    sizes = _sizes(coco.images, refuse)
    boxes, usable, rejected = _boxes(entries, sizes, rows)
    return Annotations(
        image_ids=image_ids,
        sizes=sizes,
        file_names=tuple(_file_name(place, image, refuse) for place, image in enumerate(coco.images)),
        category_ids=category_ids,
        category_names=tuple(category.name for category in coco.categories),
        boxes=boxes[usable],
        box_image_ids=box_image_ids[usable],
        box_category_ids=box_category_ids[usable],
        annotation_ids=np.fromiter((entry.id for entry in entries), np.int64, count)[usable],
        crowd=np.fromiter((bool(entry.iscrowd) for entry in entries), np.bool_, count)[usable],
        rejected=rejected,
    )


def _unique_ids(what: str, values: list[int], refuse: Refuse) -> npt.NDArray[np.int64]:
    """The ids as an array, all different, at least one."""
    if not values:
        refuse(f"$.{what}", "is empty: expected at least one entry")
    ids = np.array(values, np.int64)
    order = np.argsort(ids, kind="stable")
    repeats = np.flatnonzero(np.diff(ids[order]) == 0)
    if len(repeats):
        place = int(order[repeats + 1].min())
        refuse(f"$.{what}[{place}].id", f"id {ids[place]} is used more than once")
    return ids


def _known(
    field: str,
    what: str,
    entries: Sequence[AnnotationEntry | LoadedAnnotationEntry],
    values: npt.NDArray[np.int64],
    ids: npt.NDArray[np.int64],
    refuse: Refuse,
) -> npt.NDArray[np.intp]:
    """For each annotation's value, its position among `ids`."""
    order = np.argsort(ids)
    found = np.minimum(np.searchsorted(ids, values, sorter=order), len(ids) - 1)
    positions = order[found]
    unknown = np.flatnonzero(ids[positions] != values)
    if len(unknown):
        place = int(unknown[0])
        cause = f"annotation {entries[place].id} has {field} {values[place]}, which is not among the {what}"
        refuse(f"$.annotations[{place}].{field}", cause)
    return positions


def _sizes(images: Sequence[ImageEntry], refuse: Refuse) -> npt.NDArray[np.int32]:
    """(N, 2) int32 heights and widths."""
    sizes = np.array([(image.height, image.width) for image in images], np.float64)
    # `not (… >= 1)` and not `… < 1`: a side that is absent is NaN here.
    bad = np.flatnonzero(~((sizes >= 1) & (sizes <= _LARGEST_SIDE) & (sizes == np.floor(sizes))).all(axis=1))
    if len(bad):
        image = images[bad[0]]
        cause = f"image {image.id} has width {image.width} and height {image.height}: expected whole numbers ≥ 1"
        refuse(f"$.images[{bad[0]}]", cause)
    return sizes.astype(np.int32)


def _file_name(place: int, image: ImageEntry, refuse: Refuse) -> str:
    """The image's path below the image folder, which it may not leave."""
    name, field = image.file_name, "file_name"
    if name is None and image.coco_url:
        name, field = "/".join(unquote(urlsplit(image.coco_url).path).split("/")[-2:]), "coco_url"
    fault = "has no file_name" if name is None else _name_fault(name)
    if name is None or fault:
        refuse(f"$.images[{place}].{field}", f"image {image.id}: {fault}")
    return name


def _name_fault(name: str) -> str:
    """What is wrong with a file name, or nothing."""
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


def _boxes(
    entries: Sequence[AnnotationEntry | LoadedAnnotationEntry],
    sizes: npt.NDArray[np.int32],
    rows: npt.NDArray[np.intp],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_], tuple[RejectedBox, ...]]:
    """(A, 4) float64 boxes of all annotations, (A,) bool which are usable, and the list of those that are not."""
    reasons: dict[int, tuple[str, str]] = {}
    lists = [entry.bbox for entry in entries]
    for place, box in enumerate(lists):
        if box is None or len(box) != 4:
            lists[place], fault = _unboxed(entries[place], sizes[rows[place]])
            if fault is not None:
                reasons[place] = fault
    boxes = np.array(lists, np.float64).reshape(-1, 4)
    with np.errstate(over="ignore", invalid="ignore"):
        corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1).astype(np.float32)
        finite = np.all(np.isfinite(boxes) & np.isfinite(corners), axis=1)
        area = np.all((boxes[:, 2:] > 0) & (corners[:, 2:] > corners[:, :2]), axis=1)
    for place in np.flatnonzero(~(finite & area)).tolist():
        reasons.setdefault(place, (NO_AREA if finite[place] else NOT_FINITE, ""))
    usable = np.ones(len(entries), np.bool_)
    usable[list(reasons)] = False
    rejected = tuple(_rejected(entries[place], *reasons[place]) for place in sorted(reasons))
    return boxes, usable, rejected


def _unboxed(
    entry: AnnotationEntry | LoadedAnnotationEntry, size: npt.NDArray[np.int32]
) -> tuple[list[float | None], tuple[str, str] | None]:
    """A box for an annotation whose `bbox` is absent or not four long, and what is wrong with it if none can be."""
    nothing: list[float | None] = [0.0] * 4
    if entry.bbox:
        return nothing, (NOT_FOUR_NUMBERS, f"it has {len(entry.bbox)}")
    outline = entry.outline()
    if not outline:
        return nothing, (NO_BOX, "")
    try:
        return [*outline_box(outline, int(size[0]), int(size[1]))], None
    except ValueError as error:
        return nothing, (BAD_SEGMENTATION, str(error))


def _rejected(entry: AnnotationEntry | LoadedAnnotationEntry, reason: str, detail: str) -> RejectedBox:
    box = tuple(side if side is not None and np.isfinite(side) else None for side in entry.bbox or ())
    return RejectedBox(entry.id, entry.image_id, reason, box, detail)
