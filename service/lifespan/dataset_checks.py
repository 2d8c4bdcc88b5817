"""Checks of a dataset before it is served: whether its boxes are used, and whether its images are there."""

import logging
from functools import partial

import numpy as np
import numpy.typing as npt

from sampler.dataset.dataset import Dataset
from sampler.dataset.images.presence import first_names
from sampler.dataset.images.source import ImageSource
from sampler.dataset.parallel_map import parallel_map
from sampler.errors import AnnotationError, ImageError, ImageSourceError
from sampler.printable import printable

log = logging.getLogger("saccade_sampler")

SAMPLED = 32
"""Images of each annotation file that must not all be missing."""

REQUESTS = 8
"""Images that are looked for at once if they are remote."""

_VERIFY = "run `saccade-sampler verify` to list them"


def check_dataset(title: str, dataset: Dataset) -> None:
    """Log a warning of every part of a dataset that is not used. `title` names the dataset.

    Raises:
        AnnotationError: There are boxes, but none of them is used.
        ImageSourceError: None of the sampled image files of an annotation file is there.
    """
    _check_boxes(title, dataset)
    _check_images(title, dataset)


def _check_boxes(title: str, dataset: Dataset) -> None:
    used, dropped, unlisted = dataset.box_count, dataset.dropped_count, dataset.unlisted_count
    if not used and dropped + unlisted:
        raise AnnotationError(", ".join(dataset.sources), "$.annotations", _all_unused(dataset))
    if not used:
        log.warning("%s: the dataset has no boxes: all targets will be empty", title)
    if dropped:
        log.warning("%s: %d of %d boxes are invalid and were dropped; %s", title, dropped, used + dropped, _VERIFY)
    if unlisted:
        log.warning("%s: boxes of images that are not listed are ignored: %d; %s", title, unlisted, _VERIFY)


def _all_unused(dataset: Dataset) -> str:
    """Return cause and remedy, with the first box that is not used."""
    left_out = dataset.left_out
    if not left_out.rejected:
        first = left_out.unlisted[0]
        return (
            f"none of the {left_out.unlisted_count} boxes is of an image that is listed; the first is annotation "
            f"{first.annotation_id} of image {printable(str(first.image_id))}; correct the image ids"
        )
    box = left_out.rejected[0]
    reason = ": ".join(filter(None, [box.reason, box.detail]))
    return (
        f"none of the {len(left_out.rejected)} boxes is valid; the first is annotation {box.annotation_id} of image "
        f"{printable(str(box.image_id))} ({reason}); correct the boxes, which `saccade-sampler verify` lists"
    )


def _check_images(title: str, dataset: Dataset) -> None:
    # Images that are replaced by substitutes may be missing.
    replaced = () if dataset.substitutes is None else dataset.substitutes.unusable
    used = np.setdiff1d(np.arange(len(dataset)), replaced)
    parts = dataset.part_numbers()[used]
    for number in np.unique(parts).tolist():  # each annotation file may have another folder
        _check_part(title, dataset, used[parts == number], dataset.images.part(number))


def _check_part(title: str, dataset: Dataset, images: npt.NDArray[np.intp], source: ImageSource) -> None:
    """Check the images of one annotation file, at these indices. `source` is where they come from."""
    sampled = sorted({int(images[place * len(images) // SAMPLED]) for place in range(SAMPLED)})
    looked = parallel_map(partial(_missing, dataset), sampled, REQUESTS if source.is_remote else 1, SAMPLED)
    errors = [error for error in looked if error is not None]
    if len(errors) == len(sampled):
        raise ImageSourceError(_none_found(source, errors))
    if errors:
        first = f"{printable(errors[0].file)}: {errors[0].cause}"
        log.warning(
            "%s: images missing: %d of %d that were looked for (%s); %s",
            title, len(errors), len(sampled), first, _VERIFY,
        )  # fmt: skip


def _missing(dataset: Dataset, index: int) -> ImageError | None:
    try:
        dataset.images.read_range(dataset.file_name(index), 0, 1)
    except ImageError as error:
        return error
    return None


def _none_found(source: ImageSource, errors: list[ImageError]) -> str:
    first = errors[0]
    if first.kind != "missing":
        return (
            f"none of {len(errors)} sampled images can be read, the first is {printable(first.file)}: {first.cause}; "
            "run `saccade-sampler verify` to list them"
        )
    found = first_names(source)
    return (
        f"{printable(source.identity)}: none of {len(errors)} sampled images exists here, the first is "
        f"{printable(first.file)}; the folder has {found}. Set SAMPLER_IMAGES to the folder that the file names in the "
        "annotations are relative to"
    )
