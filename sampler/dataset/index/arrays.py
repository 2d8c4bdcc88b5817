"""The arrays of a dataset index: an annotation file in the order in which samples use it.

Images ascend by COCO image id. Boxes of one image are grouped by category in ascending COCO id, then in file order.
All functions here are pure; `sampler.dataset.index.storage` reads and writes the arrays.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from sampler.dataset.coco.annotations import Annotations
from sampler.dataset.index.stored_array import StoredArray


@dataclass(frozen=True, slots=True, eq=False)
class IndexArrays:
    """N images, C categories, M boxes. Arrays may be read-only and memory-mapped, or a `StoredArray`.

    Attributes:
        image_ids: (N,), ascending; 0…N-1 if the ids are strings.
        id_starts: (N+1,), where each string id begins in `id_texts`; a single 0 if the ids are integers.
        id_texts: The string ids as UTF-8, concatenated, in the order by code point.
        sizes: (N, 2), height and width in pixels.
        name_starts: (N+1,), where each file name begins in `names`.
        names: The file names as UTF-8, concatenated.
        box_starts: (N+1,); image i has the rows `box_starts[i]` to `box_starts[i+1]` of the next five.
        boxes: (M, 5), x0, y0, x1, y1 in image pixels, not clipped, and category 1…C.
        bbox: (M, 4), x, y, width, height exactly as annotated.
        area: (M,), the annotated areas, NaN where there is none.
        category_ids: (C,), ascending; category k of the boxes is `category_ids[k-1]`.
        digest: 32 hexadecimal digits, the identity of everything that samples depend on.
    """

    image_ids: npt.NDArray[np.int64]
    id_starts: npt.NDArray[np.int64]
    id_texts: npt.NDArray[np.uint8]
    sizes: npt.NDArray[np.int32]
    name_starts: npt.NDArray[np.int64]
    names: npt.NDArray[np.uint8]
    box_starts: npt.NDArray[np.int64]
    boxes: npt.NDArray[np.float32]
    bbox: npt.NDArray[np.float64]
    area: npt.NDArray[np.float64]
    crowd: npt.NDArray[np.bool_]
    annotation_ids: npt.NDArray[np.int64]
    category_ids: npt.NDArray[np.int64]
    category_names: tuple[str, ...]
    supercategories: tuple[str, ...]
    digest: str

    @property
    def has_string_ids(self) -> bool:
        """Whether the image ids are strings."""
        return len(self.id_starts) > 1


ARRAYS: dict[str, tuple[str, int]] = {
    "image_ids": ("<i8", 1),
    "id_starts": ("<i8", 1),
    "id_texts": ("|u1", 1),
    "sizes": ("<i4", 2),
    "name_starts": ("<i8", 1),
    "names": ("|u1", 1),
    "box_starts": ("<i8", 1),
    "boxes": ("<f4", 2),
    "bbox": ("<f8", 2),
    "area": ("<f8", 1),
    "crowd": ("|b1", 1),
    "annotation_ids": ("<i8", 1),
    "category_ids": ("<i8", 1),
}
"""The arrays of an index: name, dtype on disk, number of dimensions."""

_IDENTITY = ("image_ids", "sizes", "name_starts", "names", "box_starts", "boxes", "crowd", "category_ids")
"""The arrays that samples depend on. The others are only for reports, so they do not change the digest."""

_STRING_IDS = ("id_starts", "id_texts")
"""Part of the identity if the image ids are strings."""


def build_index(annotations: Annotations) -> IndexArrays:
    """Return the index of an annotation file."""
    category_order = np.argsort(annotations.category_ids)
    image_order = np.argsort(annotations.image_ids)
    image_ids = annotations.image_ids[image_order]
    category_ids = annotations.category_ids[category_order]
    box_image = np.searchsorted(image_ids, annotations.box_image_ids)
    category = np.searchsorted(category_ids, annotations.box_category_ids) + 1
    # A stable sort by image, then category, keeps file order within a category.
    order = np.argsort(box_image * (len(category_ids) + 1) + category, kind="stable")
    name_starts, names = joined([annotations.file_names[place] for place in image_order])
    string_ids = annotations.string_ids
    id_starts, id_texts = joined([string_ids[place] for place in image_order] if string_ids else [])
    arrays: dict[str, npt.NDArray[np.generic]] = {
        "image_ids": image_ids,
        "id_starts": id_starts,
        "id_texts": id_texts,
        "sizes": annotations.sizes[image_order],
        "name_starts": name_starts,
        "names": names,
        "box_starts": starts(np.bincount(box_image, minlength=len(image_ids))),
        "boxes": _boxes(annotations.boxes[order], category[order]),
        "bbox": annotations.boxes[order],
        "area": annotations.areas[order],
        "crowd": annotations.crowd[order],
        "annotation_ids": annotations.annotation_ids[order],
        "category_ids": category_ids,
    }
    return index_of(
        arrays,
        tuple(annotations.category_names[place] for place in category_order),
        tuple(annotations.supercategories[place] for place in category_order),
    )


def index_of(
    arrays: dict[str, npt.NDArray[np.generic]], category_names: tuple[str, ...], supercategories: tuple[str, ...]
) -> IndexArrays:
    """Return the index with these arrays, whose names are the keys of `ARRAYS`."""
    return IndexArrays(
        **arrays,  # type: ignore[arg-type] # the keys of ARRAYS are the names of the fields
        category_names=category_names,
        supercategories=supercategories,
        digest=index_digest(arrays, category_names),
    )


def index_digest(arrays: dict[str, npt.NDArray[np.generic]], category_names: tuple[str, ...]) -> str:
    """Return the BLAKE2b-128 of what samples depend on, 32 hexadecimal digits, the same on every machine."""
    hasher = hashlib.blake2b(digest_size=16)
    for name in (*_IDENTITY, *(_STRING_IDS if len(arrays["id_starts"]) > 1 else ())):
        hasher.update(f"{name} {ARRAYS[name][0]} {arrays[name].shape}\n".encode())
        _hash(hasher.update, arrays[name], ARRAYS[name][0])
    hasher.update(msgspec.json.encode(category_names))
    return hasher.hexdigest()


def report_digest(arrays: dict[str, npt.NDArray[np.generic]], supercategories: tuple[str, ...]) -> str:
    """Return the BLAKE2b-128 of everything that samples do not depend on, to detect damage."""
    hasher = hashlib.blake2b(digest_size=16)
    for name in ARRAYS:
        if name not in _IDENTITY:
            _hash(hasher.update, arrays[name], ARRAYS[name][0])
    hasher.update(msgspec.json.encode(supercategories))
    return hasher.hexdigest()


def _hash(
    update: Callable[[bytes | memoryview], None], array: npt.NDArray[np.generic] | StoredArray, dtype: str
) -> None:
    if isinstance(array, StoredArray):
        for piece in array.pieces():
            update(piece)
    else:
        update(array_bytes(np.asarray(array, dtype)))


def array_bytes(array: npt.NDArray[np.generic]) -> memoryview:
    """Return the bytes of an array in C order, without a copy if it is contiguous."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def joined(texts: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Return the start of each text and the end of the last, and the bytes of all, concatenated."""
    encoded = [text.encode() for text in texts]
    return starts(np.fromiter(map(len, encoded), np.int64, len(encoded))), np.frombuffer(b"".join(encoded), np.uint8)


def starts(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the start of each of several ranges, and the end of the last one."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])


def _boxes(boxes: npt.NDArray[np.float64], category: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
    """Return (M, 5) float32. Corners are added up in float64, as by the loader of the published sampler."""
    ends = boxes[:, :2] + boxes[:, 2:]
    return np.concatenate([boxes[:, :2], ends, category[:, None]], axis=1).astype(np.float32)
