"""Taking images out of an index, in any order: the arrays of an index with only these images."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sampler.dataset.index.arrays import starts

Arrays = dict[str, npt.NDArray[np.generic]]
"""The arrays of an index by name; see `ARRAYS`."""

_OF_BOXES = ("boxes", "bbox", "area", "crowd", "annotation_ids")


def gather(arrays: Arrays, images: npt.NDArray[np.intp]) -> Arrays:
    """Return the arrays of an index with the given images, in this order. Categories stay."""
    name_starts, name_bytes = _ranges(arrays["name_starts"], images)
    box_starts, box_rows = _ranges(arrays["box_starts"], images)
    gathered = {name: arrays[name][box_rows] for name in _OF_BOXES}
    gathered |= {"name_starts": name_starts, "names": arrays["names"][name_bytes], "box_starts": box_starts}
    gathered |= {"sizes": arrays["sizes"][images], "category_ids": np.asarray(arrays["category_ids"])}
    if len(arrays["id_starts"]) > 1:
        id_starts, id_bytes = _ranges(arrays["id_starts"], images)
        ids = {"image_ids": np.arange(len(images)), "id_starts": id_starts, "id_texts": arrays["id_texts"][id_bytes]}
    else:
        ids = {"image_ids": arrays["image_ids"][images]}
        ids |= {"id_starts": np.asarray(arrays["id_starts"]), "id_texts": np.asarray(arrays["id_texts"])}
    return gathered | ids


def concatenated(parts: Sequence[Arrays]) -> Arrays:
    """Return the sizes, names and boxes of several indexes, one after another. Ids of images are left out."""
    joined = {name: np.concatenate([part[name] for part in parts]) for name in (*_OF_BOXES, "sizes", "names")}
    for name in ("name_starts", "box_starts"):
        joined[name] = starts(np.concatenate([np.diff(part[name].astype(np.int64)) for part in parts]))
    return joined | {"category_ids": np.asarray(parts[0]["category_ids"])}


def _ranges(
    begins: npt.NDArray[np.generic], images: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the starts of the images' ranges when they are gathered, and the rows that they consist of."""
    old = begins.astype(np.int64)
    counts = np.diff(old)[images]
    new = starts(counts)
    rows = np.arange(new[-1]) + np.repeat(old[images] - new[:-1], counts)
    return new, rows
