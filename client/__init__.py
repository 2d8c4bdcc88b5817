"""The client that a training node installs. It fetches batches from a sampling server as NumPy arrays or tensors.

Use `loader` in a training loop: it prefetches batches in its own process. `SamplerClient` fetches single batches
and streams; `AsyncSamplerClient` does the same for asyncio. Every error is a `ClientError`.

Importing this package loads NumPy, msgpack, xxhash, httpx and stamina. PyTorch is loaded only by `Batch.torch`, by a
loader with a device and by datasets for PyTorch.
"""

from client.async_client import AsyncSamplerClient
from client.batches import Batch, CompactBatch, PackedBatch, TorchBatch, TrainingArrays
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
from client.families import register_family
from client.images import Annotation, ImageInfo
from client.loading.loader import Loader, loader
from client.loading.trainer.statistics import LoaderStatistics
from client.protocol.requests import IndexRequest, StepRequest, StreamRequest
from client.sync_client import SamplerClient
from sampler.recipe import Recipe
from sampler.stream.keys import SampleKey
from sampler.stream.shards import Shard
from sampler.wire.spec import ServiceSpec

__all__ = [
    "Annotation",
    "AsyncSamplerClient",
    "Batch",
    "ClientError",
    "CompactBatch",
    "DigestMismatchError",
    "ImageInfo",
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
    "register_family",
]
