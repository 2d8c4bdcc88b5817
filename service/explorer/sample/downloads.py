"""Files of one sample to take along: its arrays, and its recipe."""

import io

import numpy as np

from sampler.kernels.compiled.kernels import COMPILED
from sampler.layouts.convert import lay_out
from sampler.recipe_document import recipe_document, recipe_text
from sampler.sample.sample import make_sample
from service.workers.datasets import WorkerDataset
from service.workers.protocol import ViewJob


def sample_arrays(opened: WorkerDataset, job: ViewJob) -> bytes:
    """Return a .npz file with the crop and all dense arrays of a sample, as `replay` writes it, and with its key.

    Raises like `make_sample`.
    """
    [key] = job.keys
    sample = make_sample(opened.dataset, opened.config, key, augment=job.augment, kernels=COMPILED)
    dense = lay_out(sample, "dense", opened.config, opened.categories)
    named = {name: np.array(value, np.uint64) for name, value in key.as_dict().items()}
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **named, crop_bgr_u8=sample.crop, **dense)
    return file.getvalue()


def sample_recipe(opened: WorkerDataset, job: ViewJob) -> bytes:
    """Return the JSON document that `saccade-sampler recipe` prints. Reads no pixels."""
    [key] = job.keys
    return f"{recipe_text(recipe_document(opened.dataset, opened.config, key, augment=job.augment))}\n".encode()
