"""The parameters of the page."""

from typing import Annotated

from pydantic import Field

from service.batches.parameters import FROM_URL, STRICT, Augment, Epoch, PinnedParameters, Seed

SAMPLES = 2000
"""Samples of a page if nothing is said: enough for the shape of every distribution, made in about a second."""

MOST_SAMPLES = 20_000

SampleCount = Annotated[
    int, STRICT, Field(ge=1, le=MOST_SAMPLES), FROM_URL, Field(description="number of samples, the first of the epoch")
]


class StatisticsParameters(PinnedParameters):
    """Which samples to survey."""

    seed: Seed = 0
    epoch: Epoch = 0
    samples: SampleCount = SAMPLES
    augment: Augment = True
