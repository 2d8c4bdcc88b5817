"""Batches: `PackedBatch` as received, and `Batch` or `TorchBatch` as a training step takes them."""

from client.batches.batch import Batch
from client.batches.box_table import BoxTable
from client.batches.compact_batch import CompactBatch
from client.batches.packed_batch import PackedBatch
from client.batches.torch_batch import TorchBatch
from client.batches.training_arrays import TrainingArrays

__all__ = ["Batch", "BoxTable", "CompactBatch", "PackedBatch", "TorchBatch", "TrainingArrays"]
