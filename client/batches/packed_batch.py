"""Batches as received."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, cast

import numpy as np
from numpy.typing import NDArray

from client.batches.batch import Batch
from client.batches.box_table import BoxTable
from client.batches.compact_batch import CompactBatch
from client.batches.training_arrays import StepT_co, described
from client.errors import ClientError, checked_arguments
from sampler.array_table import dense_table
from sampler.arrays import Arrays, ArraySpec, Layout
from sampler.errors import InvalidRequestError
from sampler.families.registry import family_of
from sampler.kernels.interface import Kernels
from sampler.kernels.selection import fastest_kernels
from sampler.layouts.batch_buffer import buffer_arrays, buffer_size
from sampler.layouts.convert import unpack_batch
from sampler.memory.buffer_pool import BufferPool
from sampler.stream.keys import SampleKey
from sampler.wire.messages import WireBatch
from sampler.wire.spec import ServiceSpec


@dataclass(frozen=True, eq=False, repr=False)
class PackedBatch(Generic[StepT_co]):
    """A complete, checked batch in the layout it was received in, not rendered yet.

    Receiving and rendering can thus run in different threads or processes. The arrays lie in a buffer that is reused
    for a later batch once nothing refers to it: this object and all its arrays, slices and tensors count. So a loop
    that drops its batches runs in the same few buffers, and batches that are kept stay unchanged.

    Attributes:
        wire: header and samples.
        spec: of the server.
        wire_bytes: bytes received for the batch.
        memory: the pool that `render` borrows buffers from.
        damaged: number of responses before this one whose bytes were damaged on their way.
    """

    wire: WireBatch
    spec: ServiceSpec
    wire_bytes: int
    memory: BufferPool = field(default_factory=BufferPool)
    damaged: int = 0

    def __len__(self) -> int:
        """B, the number of samples."""
        return len(self.wire.samples)

    def __repr__(self) -> str:
        return described("PackedBatch", self.keys, self.step, f"{self.layout}, {self.wire_bytes:,} bytes, not rendered")

    def __reduce__(self) -> tuple[type["PackedBatch"], tuple[WireBatch, ServiceSpec, int]]:
        """Pickle without the buffer pool: each process has its own."""
        return PackedBatch, (self.wire, self.spec, self.wire_bytes)

    @property
    def layout(self) -> Layout:
        return self.wire.header.layout

    @property
    def step(self) -> StepT_co:
        """Step of the stream; None for a batch by index."""
        return cast("StepT_co", self.wire.header.step)

    @property
    def keys(self) -> tuple[SampleKey, ...]:
        """The key of each sample, in order."""
        return tuple(sample.key for sample in self.wire.samples)

    def compact(self) -> CompactBatch:
        """Return crops, colour matrices and boxes of all samples, to render elsewhere, for example on a GPU.

        Crops and colour matrices are not copied if they were received into a batch buffer, as they are from our server.

        Raises:
            RequestRefusedError: the batch was received in another layout than "compact".
        """
        with checked_arguments():
            if self.layout != "compact":
                raise InvalidRequestError("layout", self.layout, "compact, to render elsewhere")
        table = BoxTable.of(self._samples)
        return CompactBatch(
            crops=_read_only(self._stacked("crop", (*self.spec.config.input_size, 3), np.uint8)),
            colours=_read_only(self._stacked("colour", (3, 4), np.float32)),
            boxes=_read_only(table.boxes),
            objects=_read_only(table.objects),
            starts=_read_only(table.starts),
        )

    @property
    def _samples(self) -> list[Arrays]:
        return [sample.arrays for sample in self.wire.samples]

    def _stacked(self, name: str, shape: tuple[int, ...], dtype: type) -> NDArray[Any]:
        if name in self.wire.stacked:
            return self.wire.stacked[name]
        arrays = [sample[name] for sample in self._samples]
        return np.stack(arrays) if arrays else np.zeros((0, *shape), dtype)

    def render(self, out: Mapping[str, NDArray[Any]] | None = None, kernels: Kernels | None = None) -> Batch[StepT_co]:
        """Return the batch as arrays. They are the same to the last bit in every layout.

        A batch received in the layout "dense" is not copied, unless `out` is given: all batches rendered from it share
        its memory.

        Args:
            out: arrays to fill, by name: exactly those of the dense array table, (B, …) each, of the table's dtypes.
                The batch then has these arrays. By default they are made in a buffer of the pool.
            kernels: run the loops over pixels; compiled ones by default if Numba is installed.

        Raises:
            RequestRefusedError: `out` does not fit.
            ClientError: there is no memory for the arrays.
        """
        return Batch(
            arrays=self._dense(out, kernels),
            order=family_of(self.spec.config).training_order(self.spec.config),
            keys=self.keys,
            recipes=tuple(sample.recipe for sample in self.wire.samples),
            untagged=np.array([sample.untagged for sample in self.wire.samples], np.int64),
            step=self.step,
            digest=self.wire.header.digest,
            spec=self.spec,
            box_table=BoxTable.of(self._samples) if self.layout == "compact" else None,
        )

    def _dense(self, out: Mapping[str, NDArray[Any]] | None, kernels: Kernels | None) -> Arrays:
        config, count = self.spec.config, len(self)
        table = dense_table(config, self.spec.categories)
        if out is None and self.layout == "dense" and self.wire.stacked:
            return {spec.name: self.wire.stacked[spec.name] for spec in table}
        if out is None:
            arrays = buffer_arrays(self._borrow(buffer_size(table, count)), table, count)
        else:
            with checked_arguments():
                arrays = _require_fitting(out, table, count)
        unpack_batch(self._samples, self.layout, config, arrays, kernels or fastest_kernels())
        return arrays

    def _borrow(self, size: int) -> NDArray[np.uint8]:
        try:
            return self.memory.borrow(size)
        except MemoryError as error:
            need = f"{size:,} bytes for the arrays of {len(self)} samples"
            raise ClientError(f"no memory to render a batch: {need}; use fewer samples a batch") from error


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view


def _require_fitting(out: Mapping[str, NDArray[Any]], table: Sequence[ArraySpec], count: int) -> Arrays:
    """Return `out` in the order of `table`; raise `InvalidRequestError` for the array that does not fit."""
    names = [spec.name for spec in table]
    if set(out) != set(names):
        raise InvalidRequestError("out", sorted(out), f"exactly the arrays {', '.join(names)}")
    for spec in table:
        array, shape = out[spec.name], (count, *spec.shape)
        if not isinstance(array, np.ndarray) or (array.dtype.str, array.shape) != (spec.dtype, shape):
            found = f"{array.dtype.str} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
            raise InvalidRequestError(f"out[{spec.name!r}]", found, f"an array of dtype {spec.dtype} and shape {shape}")
        if not array.flags.writeable:
            raise InvalidRequestError(f"out[{spec.name!r}]", "read-only", "a writable array")
    return {name: out[name] for name in names}
