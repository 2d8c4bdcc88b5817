"""The parameters of the page."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.batches.parameters import FROM_URL, STRICT, Augment, DatasetName, Epoch, Seed

SAMPLES = 2000
"""Samples of a page if nothing is said: enough for the shape of every distribution, made in a fraction of a second."""

MOST_SAMPLES = 20_000

SampleCount = Annotated[
    int, STRICT, Field(ge=1, le=MOST_SAMPLES), FROM_URL, Field(description="number of samples, the first of the epoch")
]


class StatisticsParameters(BaseModel):
    """Which samples to survey."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: DatasetName = None
    seed: Seed = 0
    epoch: Epoch = 0
    samples: SampleCount = SAMPLES
    augment: Augment = True
