"""The kinds of views: what pages show, made by workers."""

import json
from collections.abc import Mapping
from typing import Any

from sampler.kernels.compiled.kernels import COMPILED
from sampler.survey.sampling import survey_samples
from service.explorer.images.listing import image_page, image_rows
from service.explorer.inspection import sample_document
from service.explorer.picture.picture import sample_picture
from service.explorer.sample.downloads import sample_arrays, sample_recipe
from service.explorer.sample.layers import sample_layers
from service.explorer.sample.thumbnail import image_thumbnail, sample_thumbnail
from service.workers.datasets import WorkerDataset
from service.workers.protocol import ViewJob
from service.workers.worker import View


def _document(opened: WorkerDataset, job: ViewJob) -> bytes:
    [key] = job.keys
    return _json(sample_document(opened.dataset, opened.config, key, augment=job.augment))


def _picture(opened: WorkerDataset, job: ViewJob) -> bytes:
    [key] = job.keys
    return sample_picture(opened.dataset, opened.config, key, augment=job.augment)


def _survey(opened: WorkerDataset, job: ViewJob) -> bytes:
    return survey_samples(opened.dataset, opened.config, job.keys, job.augment, COMPILED).to_bytes()


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, allow_nan=False).encode()


VIEWS: Mapping[str, View] = {
    "document": _document,
    "picture": _picture,
    "layers": sample_layers,
    "npz": sample_arrays,
    "recipe": sample_recipe,
    "thumbnail": sample_thumbnail,
    "image-thumbnail": image_thumbnail,
    "survey": _survey,
    "image-page": image_page,
    "image-rows": image_rows,
}
"""The function of each kind of `ViewJob`. It gets the dataset with the config of the job."""
