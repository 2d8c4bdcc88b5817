"""The index of some images of a dataset, for example of minival."""

from collections.abc import Sequence
from pathlib import Path

from sampler.dataset.coco.annotations import LeftOut
from sampler.dataset.image_ids import ImageId
from sampler.dataset.index.arrays import IndexArrays, index_of
from sampler.dataset.index.dataset_index import DatasetIndex
from sampler.dataset.index.gathering import gather
from sampler.errors import ImageListError
from sampler.printable import printable

_SHOWN = 5


def select(index: DatasetIndex, ids: Sequence[ImageId], file: Path) -> tuple[IndexArrays, LeftOut]:
    """Return the index of the images with these ids, and the boxes of these images that are not used.

    The order of the ids does not matter. `file` names them in errors. Raises ImageListError if an id is unknown.
    """
    images, unknown = index.find(ids)
    if unknown:
        first = ", ".join(printable(str(one)) for one in unknown[:_SHOWN])
        more = ", …" if len(unknown) > _SHOWN else ""
        cause = f"{len(unknown)} of {len(ids)} ids are not image ids of this dataset: {first}{more}"
        raise ImageListError(file, f"{cause}; remove them, or use the list of this dataset")
    arrays = gather(index.arrays(), images)
    left_out, chosen = index.left_out, {index.image_id(image) for image in images.tolist()}
    rejected = tuple(box for box in left_out.rejected if box.image_id in chosen)
    selected = index_of(arrays, index.category_names, index.supercategories)
    return selected, LeftOut(rejected, left_out.unlisted, left_out.unlisted_count)
