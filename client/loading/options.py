"""The keyword arguments of `loader`."""

import os
from typing import TypedDict

from client.credentials import Token
from client.protocol.requests import StepsOptions
from sampler.arrays import Layout


class ReceivingOptions(TypedDict, total=False):
    """Those that say how batches are received."""

    ahead: int
    layout: Layout
    attempts: int | None
    max_wait: float | None
    batch_seconds: float | None
    timeout: float | None
    log_every: float | None
    token: str | Token | None
    ca: str | os.PathLike[str] | None


class LoaderOptions(StepsOptions, ReceivingOptions, total=False):
    """All but `device`."""

    rank: int | None
    world_size: int | None
    dataset: str | None
    digest: str | None
