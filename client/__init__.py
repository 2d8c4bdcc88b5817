"""The client that a training node installs: batches of a sampling server as NumPy arrays or tensors.

`loader` is what a training loop needs: batches ahead of it, from a process of their own. `SamplerClient` gives single
batches and streams, `AsyncSamplerClient` is its twin for asyncio; `ClientError` is the base of all that they raise.
Importing this package loads NumPy, msgpack, xxhash, httpx and stamina; PyTorch is loaded only by `Batch.torch`, for a
loader with a device, and for PyTorch's datasets.
"""

from client.async_client import AsyncSamplerClient
from client.batches.batch import Batch, PackedBatch, TorchBatch, TrainingArrays
from client.batches.compact import CompactBatch
from client.errors import (
    ClientError,
    DigestMismatchError,
    MissingExtraError,
    ProtocolError,
    RequestRefusedError,
    SampleError,
    ServerError,
    ServerUnavailableError,
    TransferError,
)
from client.loading.loader import loader
from client.loading.trainer.batch_loader import Loader
from client.loading.trainer.statistics import LoaderStatistics
from client.protocol.requests import IndexRequest, StepRequest, StreamRequest
from client.sync_client import SamplerClient
from sampler.recipe import Recipe
from sampler.stream.keys import SampleKey
from sampler.stream.shards import Shard
from sampler.wire.spec import ServiceSpec

__all__ = [
    "AsyncSamplerClient",
    "Batch",
    "ClientError",
    "CompactBatch",
    "DigestMismatchError",
    "IndexRequest",
    "Loader",
    "LoaderStatistics",
    "MissingExtraError",
    "PackedBatch",
    "ProtocolError",
    "Recipe",
    "RequestRefusedError",
    "SampleError",
    "SampleKey",
    "SamplerClient",
    "ServerError",
    "ServerUnavailableError",
    "ServiceSpec",
    "Shard",
    "StepRequest",
    "StreamRequest",
    "TorchBatch",
    "TrainingArrays",
    "TransferError",
    "loader",
]
