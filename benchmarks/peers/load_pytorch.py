"""PyTorch's DataLoader: worker processes that collate batches in shared memory."""

from collections.abc import Generator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, SequentialSampler

from benchmarks.peers.routes import Route

POSITIONS = 1 << 40
"""More than any measurement takes: an epoch that never ends, so that workers never wait for the next one."""
PREFETCH = 2


class _Samples(Dataset[dict[str, Any]]):
    """A map-style dataset."""

    def __init__(self, route: Route) -> None:
        self._route = route

    def __len__(self) -> int:
        return POSITIONS

    def __getitem__(self, position: int) -> dict[str, Any]:
        return self._route(position)


def batches(route: Route, batch_size: int, workers: int) -> Generator[dict[str, torch.Tensor]]:
    """Yield batches as tensors in shared memory."""
    samples = _Samples(route)
    loader = DataLoader(
        samples,
        batch_size=batch_size,
        sampler=SequentialSampler(samples),
        num_workers=workers,
        prefetch_factor=PREFETCH,
        persistent_workers=True,
    )
    yield from loader
