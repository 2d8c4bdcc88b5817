"""The arrays of a dataset index: an annotation file in the order in which samples use it.

Images ascend by COCO image id. Boxes of one image are grouped by category in ascending COCO id, then in file order.
All functions here are pure; `sampler.dataset.index.storage` reads and writes the arrays.
"""

import hashlib
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from sampler.dataset.coco.annotations import Annotations


@dataclass(frozen=True, slots=True, eq=False)
class IndexArrays:
    """N images, C categories, M boxes. Arrays may be read-only and memory-mapped.

    Attributes:
        image_ids: (N,), ascending.
        sizes: (N, 2), height and width in pixels.
        name_starts: (N+1,), where each file name begins in `names`.
        names: The file names as UTF-8, concatenated.
        box_starts: (N+1,); image i has the rows `box_starts[i]` to `box_starts[i+1]` of the next three.
        boxes: (M, 5), x0, y0, x1, y1 in image pixels, not clipped, and category 1…C.
        category_ids: (C,), ascending; category k of the boxes is `category_ids[k-1]`.
        digest: 32 hexadecimal digits, the identity of everything that samples depend on.
    """

    image_ids: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int32]
    name_starts: npt.NDArray[np.int64]
    names: npt.NDArray[np.uint8]
    box_starts: npt.NDArray[np.int64]
    boxes: npt.NDArray[np.float32]
    crowd: npt.NDArray[np.bool_]
    annotation_ids: npt.NDArray[np.int64]
    category_ids: npt.NDArray[np.int64]
    category_names: tuple[str, ...]
    digest: str


ARRAYS: dict[str, tuple[str, int]] = {
    "image_ids": ("<i8", 1),
    "sizes": ("<i4", 2),
    "name_starts": ("<i8", 1),
    "names": ("|u1", 1),
    "box_starts": ("<i8", 1),
    "boxes": ("<f4", 2),
    "crowd": ("|b1", 1),
    "annotation_ids": ("<i8", 1),
    "category_ids": ("<i8", 1),
}
"""The arrays of an index: name, dtype on disk, number of dimensions."""

_IDENTITY = ("image_ids", "sizes", "name_starts", "names", "box_starts", "boxes", "crowd", "category_ids")
"""The arrays that samples depend on. Annotation ids are only for reports, so they do not change the digest."""


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
    encoded = [annotations.file_names[place].encode() for place in image_order]
    arrays: dict[str, npt.NDArray[np.generic]] = {
        "image_ids": image_ids,
        "sizes": annotations.sizes[image_order],
        "name_starts": _starts(np.fromiter(map(len, encoded), np.int64, len(encoded))),
        "names": np.frombuffer(b"".join(encoded), np.uint8),
        "box_starts": _starts(np.bincount(box_image, minlength=len(image_ids))),
        "boxes": _boxes(annotations.boxes[order], category[order]),
        "crowd": annotations.crowd[order],
        "annotation_ids": annotations.annotation_ids[order],
        "category_ids": category_ids,
    }
    names = tuple(annotations.category_names[place] for place in category_order)
    return IndexArrays(
        **arrays,  # type: ignore[arg-type] # the keys above are the names of the fields
        category_names=names,
        digest=index_digest(arrays, names),
    )


def index_digest(arrays: dict[str, npt.NDArray[np.generic]], category_names: tuple[str, ...]) -> str:
    """Return the BLAKE2b-128 of what samples depend on, 32 hexadecimal digits, the same on every machine."""
    hasher = hashlib.blake2b(digest_size=16)
    for name in _IDENTITY:
        array = np.asarray(arrays[name], ARRAYS[name][0])
        hasher.update(f"{name} {ARRAYS[name][0]} {array.shape}\n".encode())
        hasher.update(array_bytes(array))
    hasher.update(msgspec.json.encode(category_names))
    return hasher.hexdigest()


def array_bytes(array: npt.NDArray[np.generic]) -> memoryview:
    """Return the bytes of an array in C order, without a copy if it is contiguous."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _starts(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the start of each of several ranges, and the end of the last one."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])


def _boxes(boxes: npt.NDArray[np.float64], category: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
    """Return (M, 5) float32. Corners are added up in float64, as by the loader of the published sampler."""
    ends = boxes[:, :2] + boxes[:, 2:]
    return np.concatenate([boxes[:, :2], ends, category[:, None]], axis=1).astype(np.float32)
