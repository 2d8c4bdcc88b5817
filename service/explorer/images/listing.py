"""What the page of images shows, made by a worker from the dataset index. No image is read."""

import base64
import json
from typing import Any

import numpy as np
import numpy.typing as npt

from sampler.dataset.dataset import Dataset
from sampler.dataset.index.dataset_index import DatasetIndex
from service.explorer.images.search import ImageFilter, find_images, images_with
from service.workers.datasets import WorkerDataset
from service.workers.protocol import ViewJob

PAGE = 60
"""Images on a page."""


def image_page(opened: WorkerDataset, job: ViewJob) -> bytes:
    """Return the images of a page and the counts of the dataset, as JSON.

    options of the job: "filter", the fields of an `ImageFilter`; "first", the index from which images are shown;
    "among", if only some images are wanted, see `packed`; "substituted", whether only those with substitutes are.
    """
    dataset, options = opened.dataset, job.options
    found = find_images(dataset, ImageFilter(**options["filter"]))
    if options["among"] is not None:
        found = found[_unpacked(options["among"], len(dataset))[found]]
    if options["substituted"]:
        found = found[np.isin(found, unusable(dataset))]
    document = _page(found, options["first"]) | {"counts": _counts(dataset)}
    document["rows"] = [image_row(dataset, index) for index in document.pop("shown")]
    return json.dumps(document).encode()


def image_rows(opened: WorkerDataset, job: ViewJob) -> bytes:
    """Return the images with the indices of a job's keys, as JSON."""
    return json.dumps([image_row(opened.dataset, key.index) for key in job.keys]).encode()


def image_row(index: DatasetIndex, image: int) -> dict[str, Any]:
    """Return what a page says about one image."""
    height, width = index.size(image)
    crowd = index.crowd(image)
    return {
        "index": image,
        "id": index.image_id(image),
        "file_name": index.file_name(image),
        "height": height,
        "width": width,
        "boxes": len(crowd),
        "crowd": int(crowd.sum()),
    }


def packed(images: npt.NDArray[np.bool_]) -> str:
    """Return which images are meant, (N,) bool, as text for the options of a job."""
    return base64.b64encode(np.packbits(images).tobytes()).decode()


def unusable(dataset: DatasetIndex) -> npt.NDArray[np.intp]:
    """Return the indices of the images that are replaced by substitutes."""
    return np.array(() if dataset.substitutes is None else dataset.substitutes.unusable, np.intp)


def _unpacked(text: str, count: int) -> npt.NDArray[np.bool_]:
    return np.unpackbits(np.frombuffer(base64.b64decode(text), np.uint8), count=count).astype(np.bool_)


def _page(found: npt.NDArray[np.intp], first: int) -> dict[str, Any]:
    """Return the indices that a page shows, and where other pages begin: None if there is no such page."""
    start = int(np.searchsorted(found, first))
    last = (len(found) - 1) // PAGE * PAGE
    begins = {"previous": max(0, start - PAGE) if start else None, "next": start + PAGE, "last": last}
    return {
        "found": len(found),
        "before": start,
        "shown": found[start : start + PAGE].tolist(),
        **{
            name: int(found[place]) if place is not None and 0 <= place < len(found) else None
            for name, place in begins.items()
        },
    }


def _counts(dataset: Dataset) -> dict[str, int]:
    return {
        "images": len(dataset),
        "boxes": dataset.box_count,
        "boxless": dataset.boxless_count,
        "crowded": int(images_with(dataset, np.asarray(dataset.all_crowd)).sum()),
        "substituted": len(unusable(dataset)),
    }
