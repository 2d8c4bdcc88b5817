"""The index: an annotation file as flat arrays in the order samples use them.

Images ascend by COCO image id. Boxes of one image are grouped by category in ascending COCO id, then in the order of
the file. Everything here is a pure function on arrays; `sampler.dataset.index.cache` puts them on disk.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from sampler.dataset.coco.annotations import Annotations, RejectedBox


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """N images, C categories, M boxes. All arrays may be read-only views of memory-mapped files.

    image_ids: (N,) int64, ascending. sizes: (N, 2) int32, height and width in pixels.
    names: (K,) uint8, the file names as UTF-8, one behind the other; name_starts: (N+1,) int64, where each begins.
    boxes: (M, 5) float32, x0, y0, x1, y1 in image pixels, category 1…C; not clipped to the image.
    box_starts: (N+1,) int64, image i has the rows box_starts[i] to box_starts[i+1].
    crowd: (M,) bool. annotation_ids: (M,) int64.
    category_ids: (C,) int64, ascending; category k of the boxes is category_ids[k-1]. category_names: C texts.
    digest: 32 hexadecimal digits, the identity of all that samples depend on.
    read_rejected: gives the dropped boxes; of an index on disk they are read when they are asked for.
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
    read_rejected: Callable[[], tuple[RejectedBox, ...]]

    @property
    def rejected(self) -> tuple[RejectedBox, ...]:
        """The dropped boxes. Raises AnnotationError where their file is damaged."""
        return self.read_rejected()


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
"""What samples depend on. Annotation ids only serve reports, so two files that differ in them are the same data."""


def build_index(annotations: Annotations) -> Index:
    """The index of an annotation file's columns."""
    category_order = np.argsort(annotations.category_ids)
    image_order = np.argsort(annotations.image_ids)
    image_ids = annotations.image_ids[image_order]
    category_ids = annotations.category_ids[category_order]
    box_image = np.searchsorted(image_ids, annotations.box_image_ids)
    category = np.searchsorted(category_ids, annotations.box_category_ids) + 1
    # A stable sort by image, then category: the order of the file stays within a category.
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
    rejected = annotations.rejected  # and not `annotations`, which would live as long as the index
    return Index(
        **arrays,  # type: ignore[arg-type] # the table above holds each array under its own field's name
        category_names=names,
        digest=digest(arrays, names),
        read_rejected=lambda: rejected,
    )


def digest(arrays: dict[str, npt.NDArray[np.generic]], category_names: tuple[str, ...]) -> str:
    """The 32 hexadecimal digits of BLAKE2b-128 over what samples depend on, the same on every machine."""
    hasher = hashlib.blake2b(digest_size=16)
    for name in _IDENTITY:
        array = np.asarray(arrays[name], ARRAYS[name][0])
        hasher.update(f"{name} {ARRAYS[name][0]} {array.shape}\n".encode())
        hasher.update(content(array))
    hasher.update(msgspec.json.encode(category_names))
    return hasher.hexdigest()


def content(array: npt.NDArray[np.generic]) -> memoryview:
    """The bytes of an array in C order, without a copy where they lie so."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _starts(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Where each of several runs begins, and at last where the last one ends."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])


def _boxes(boxes: npt.NDArray[np.float64], category: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
    """(M, 5) float32 corners and category. Sums are made in float64, as the published sampler's loader does."""
    ends = boxes[:, :2] + boxes[:, 2:]
    return np.concatenate([boxes[:, :2], ends, category[:, None]], axis=1).astype(np.float32)
