"""The index of some images of a dataset, for example of minival."""

from collections.abc import Sequence
from pathlib import Path

from sampler.dataset.coco.annotations import LeftOut
from sampler.dataset.image_ids import EXPECTED, ImageId, require_known
from sampler.dataset.index.arrays import IndexArrays, index_of
from sampler.dataset.index.dataset_index import DatasetIndex
from sampler.dataset.index.gathering import gather
from sampler.errors import ImageListError


def select(index: DatasetIndex, ids: Sequence[ImageId], file: Path) -> tuple[IndexArrays, LeftOut]:
    """Return the index of the images with these ids, and the boxes of these images that are not used.

    Boxes of images that the annotation file does not list are of none of these images.
    The order of the ids does not matter. `file` names them in errors. Raises ImageListError if an id is unknown.
    """
    if not ids:
        raise ImageListError(file, f"has no image id; {EXPECTED}")
    images, unknown = index.find(ids)
    require_known(unknown, ids, file)
    arrays = gather(index.arrays(), images)
    chosen = {index.image_id(image) for image in images.tolist()}
    rejected = tuple(box for box in index.left_out.rejected if box.image_id in chosen)
    selected = index_of(arrays, index.category_names, index.supercategories)
    return selected, LeftOut(rejected)
