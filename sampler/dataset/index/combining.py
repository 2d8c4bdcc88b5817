"""The index of several annotation files that are used as one dataset."""

from collections.abc import Sequence

import numpy as np

from sampler.dataset.coco.annotations import UNLISTED_EXAMPLES, LeftOut
from sampler.dataset.coco.boxes import RejectedBox, UnlistedBox
from sampler.dataset.image_ids import ImageId
from sampler.dataset.index.arrays import IndexArrays, index_of, joined
from sampler.dataset.index.dataset_index import DatasetIndex
from sampler.dataset.index.gathering import Arrays, concatenated, gather
from sampler.errors import AnnotationError
from sampler.printable import printable

_SHOWN = 3


def combine(parts: Sequence[DatasetIndex], files: Sequence[str]) -> tuple[IndexArrays, LeftOut]:
    """Return the index of all images of several indexes, and the boxes that are not used.

    The name of each image begins with the number of its part: "0/". If one part has string ids, all ids are strings.

    Args:
        parts: The indexes.
        files: Their annotation files, for errors.

    Raises:
        AnnotationError: The categories of two parts differ, or an image id is in two parts.
    """
    for part, file in zip(parts[1:], files[1:], strict=True):
        _check_categories(parts[0], part, files[0], file)
    has_strings = any(part.has_string_ids for part in parts)
    ids = [[str(one) if has_strings else one for one in part.image_ids()] for part in parts]
    _check_distinct(ids, files)
    flat = [one for some in ids for one in some]
    order = np.array(sorted(range(len(flat)), key=flat.__getitem__), np.intp)
    arrays = concatenated([_numbered(part.arrays(), number) for number, part in enumerate(parts)]) | _id_arrays(flat)
    first = parts[0]
    index = index_of(gather(arrays, order), first.category_names, first.supercategories)
    return index, _left_out(parts, has_strings)


def _id_arrays(ids: Sequence[ImageId]) -> Arrays:
    texts = [one for one in ids if isinstance(one, str)]
    id_starts, id_texts = joined(texts)
    numbers = np.arange(len(ids)) if texts else np.array(ids, np.int64)
    return {"image_ids": numbers, "id_starts": id_starts, "id_texts": id_texts}


def _numbered(arrays: Arrays, number: int) -> Arrays:
    """Return the arrays of a part with its number in front of each file name."""
    old = arrays["name_starts"].astype(np.int64)
    prefix = np.frombuffer(f"{number}/".encode(), np.uint8)
    names = np.insert(arrays["names"], np.repeat(old[:-1], len(prefix)), np.tile(prefix, len(old) - 1))
    return arrays | {"names": names, "name_starts": old + np.arange(len(old)) * len(prefix)}


def _check_categories(first: DatasetIndex, other: DatasetIndex, first_file: str, other_file: str) -> None:
    ours, theirs = _categories(first), _categories(other)
    differences = [
        f"{what} {', '.join(_named(one, names) for one in found[:_SHOWN])}{', …' if len(found) > _SHOWN else ''}"
        for what, found, names in (
            (f"only {printable(first_file)} has", sorted(ours.keys() - theirs.keys()), ours),
            (f"only {printable(other_file)} has", sorted(theirs.keys() - ours.keys()), theirs),
            ("other names here for", [one for one in sorted(ours.keys() & theirs) if ours[one] != theirs[one]], theirs),
        )
        if found
    ]
    if differences:
        cause = f"its categories differ from those of {first_file}: {'; '.join(differences)}; make ids and names agree"
        raise AnnotationError(other_file, "$.categories", cause)


def _categories(index: DatasetIndex) -> dict[int, str]:
    return dict(zip(index.category_ids.tolist(), index.category_names, strict=True))


def _named(category_id: int, names: dict[int, str]) -> str:
    return f"{category_id} ({printable(names[category_id])})"


def _check_distinct(ids: Sequence[Sequence[ImageId]], files: Sequence[str]) -> None:
    seen: dict[ImageId, int] = {}
    for number, some in enumerate(ids):
        common = [one for one in some if seen.setdefault(one, number) != number]
        if common:
            first = printable(str(common[0]))
            cause = f"image ids that are also in {files[seen[common[0]]]}: {len(common)}, the first is {first}"
            raise AnnotationError(files[number], "$.images", f"{cause}; give each image its own id")


def _left_out(parts: Sequence[DatasetIndex], has_strings: bool) -> LeftOut:
    every = [part.left_out for part in parts]
    rejected = [
        RejectedBox(box.annotation_id, _as_id(box.image_id, has_strings), box.reason, box.box, box.detail)
        for one in every
        for box in one.rejected
    ]
    unlisted = [
        UnlistedBox(box.annotation_id, _as_id(box.image_id, has_strings)) for one in every for box in one.unlisted
    ]
    count = sum(one.unlisted_count for one in every)
    return LeftOut(tuple(rejected), tuple(unlisted[:UNLISTED_EXAMPLES]), count)


def _as_id(image_id: ImageId, as_text: bool) -> ImageId:
    return str(image_id) if as_text else image_id
