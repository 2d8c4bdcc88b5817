"""The document of images with their annotations, which `/v1/images` responds with."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from sampler.dataset.index.dataset_index import DatasetIndex


def images_document(dataset: DatasetIndex, indices: Iterable[int]) -> dict[str, Any]:
    """Return the images at dataset indices, ready for JSON. Numbers are exactly those of the annotation file."""
    return {"images": [_image(dataset, index) for index in indices]}


def _image(dataset: DatasetIndex, index: int) -> dict[str, Any]:
    height, width = dataset.size(index)
    return {
        "index": index,
        "id": dataset.image_id(index),
        "file_name": dataset.file_name(index),
        "height": height,
        "width": width,
        "annotations": _annotations(dataset, slice(*dataset.box_starts[index : index + 2].tolist())),
    }


def _annotations(dataset: DatasetIndex, rows: slice) -> list[dict[str, Any]]:
    categories = dataset.category_ids[dataset.all_boxes[rows, 4].astype(np.int64) - 1]
    columns = (dataset.annotation_ids, dataset.annotated_boxes, dataset.areas, dataset.all_crowd)
    values = zip(categories.tolist(), *(column[rows].tolist() for column in columns), strict=True)
    return [
        {
            "id": identity,
            "category_id": category,
            "bbox": bbox,
            "area": None if math.isnan(area) else area,
            "crowd": crowd,
        }
        for category, identity, bbox, area, crowd in values
    ]
