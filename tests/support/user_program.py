"""A user's program with types. Type checkers read it; it never runs."""

from collections.abc import AsyncGenerator, Generator
from typing import Any, assert_type

import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from saccade_sampler import (
    AsyncSamplerClient,
    Batch,
    IndexRequest,
    Loader,
    PackedBatch,
    SamplerClient,
    ServiceSpec,
    StepRequest,
    StreamRequest,
    TorchBatch,
    loader,
)

SERVERS = ["http://cpu-a:8000", "http://cpu-b:8000"]


def arrays_of_a_loader() -> None:
    """A loader without a device gives arrays, whose steps are numbers."""
    with loader(SERVERS, seed=7, batch_size=48, rank=0, world_size=4) as batches:
        assert_type(batches, Loader[Batch[int]])
        for batch in batches:
            assert_type(batch, Batch[int])
            assert_type(batch.step, int)
            assert_type(batch.images, NDArray[Any])
            assert_type(batch.xs, list[NDArray[Any]])
            assert_type(batch.tl_valids, NDArray[Any] | None)
            assert_type(batch.torch("cuda"), TorchBatch[int])
    assert_type(batches.spec(), ServiceSpec)


def tensors_of_a_loader(device: torch.device) -> None:
    """A loader with a device gives tensors, whatever names the device."""
    on_device: Loader[TorchBatch[int]] = loader(seed=7, batch_size=48, device=device)
    assert_type(on_device.state_dict(), dict[str, Any])
    assert_type(loader(seed=7, batch_size=48, device=0), Loader[TorchBatch[int]])
    for batch in loader("http://cpu-host:8000", seed=7, batch_size=48, device="cuda"):
        assert_type(batch, TorchBatch[int])
        assert_type(batch.step, int)
        assert_type(batch.images, torch.Tensor)
        assert_type(batch.xs, list[torch.Tensor])
        assert_type(batch.to(device, non_blocking=True), TorchBatch[int])
        assert_type(batch.pin_memory().attentions, tuple[torch.Tensor, ...])


def any_batch(batch: TorchBatch) -> int:
    """A function that takes batches with and without a step takes those of a loader."""
    return len(batch)


def state_of_a_loader(batches: Loader[TorchBatch[int]]) -> int:
    """States are dictionaries that `torch.save` and `json` take."""
    state = batches.state_dict()
    assert_type(state, dict[str, Any])
    batches.load_state_dict(state, allow_digest_change=True)
    return any_batch(next(batches))


def dataset_of_a_loader(batches: Loader[Batch[int]]) -> None:
    """PyTorch's DataLoader takes the dataset of a loader."""
    dataset = batches.dataset()
    dataset.load_state_dict(dataset.state_dict())
    for batch in dataset:
        assert_type(batch, TorchBatch[int])
    data_loader = DataLoader(dataset, batch_size=None, num_workers=2)
    assert_type(data_loader, DataLoader[TorchBatch[int]])


def batches_of_a_client(client: SamplerClient) -> None:
    """Batches by step have a step, batches by index may have none."""
    assert_type(client.stream(seed=7, batch_size=48), Generator[Batch[int]])
    assert_type(client.batch(seed=7, step=3, batch_size=48).step, int)
    by_index = client.batch(indices=[3, 17, 5], seed=7, augment=False)
    assert_type(by_index, Batch)
    assert_type(by_index.step, int | None)
    assert_type(by_index.torch().images, torch.Tensor)


def packed_batches(client: SamplerClient, stream: StreamRequest, indices: IndexRequest, step: StepRequest) -> None:
    """Packed batches keep the type of their step when they are rendered."""
    for packed in client.packed_stream(stream):
        assert_type(packed, PackedBatch[int])
        assert_type(packed.render(), Batch[int])
    assert_type(client.packed_batch(indices).step, int | None)
    assert_type(client.packed_batch(step).step, int)


async def batches_of_an_asynchronous_client(client: AsyncSamplerClient, step: StepRequest) -> None:
    """The client for asyncio has the same types."""
    assert_type(client.stream(seed=7, batch_size=48), AsyncGenerator[Batch[int]])
    async for batch in client.stream(seed=7, batch_size=48):
        assert_type(batch.step, int)
    assert_type(await client.batch(seed=7, step=3, batch_size=48), Batch[int])
    assert_type(await client.packed_batch(step), PackedBatch[int])
    assert_type(await client.batch([3, 17, 5]), Batch)
    assert_type(await client.spec(), ServiceSpec)
