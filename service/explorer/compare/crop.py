"""The pixels of a sample's crop, without boxes."""

import io

from PIL import Image

from sampler.kernels.compiled.kernels import COMPILED
from sampler.sample.sample import make_sample
from service.workers.datasets import WorkerDataset
from service.workers.protocol import ViewJob


def sample_crop(opened: WorkerDataset, job: ViewJob) -> bytes:
    """Return a JPEG file with the crop of a sample. Raises like `make_sample`."""
    [key] = job.keys
    crop = make_sample(opened.dataset, opened.config, key, augment=job.augment, kernels=COMPILED).crop
    file = io.BytesIO()
    Image.fromarray(crop[:, :, ::-1].copy()).save(file, "JPEG", quality=90)
    return file.getvalue()
