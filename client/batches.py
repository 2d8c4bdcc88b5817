"""Batches: `PackedBatch` as received, and `Batch` or `TorchBatch` as a training step takes them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from client.errors import ClientError, MissingExtraError, checked_arguments
from sampler.array_table import dense_table
from sampler.arrays import Arrays, ArraySpec, Layout
from sampler.atomic_write import atomic_writer
from sampler.errors import InvalidRequestError
from sampler.families.interface import TrainingOrder
from sampler.families.registry import family_of
from sampler.kernels.interface import Kernels
from sampler.kernels.selection import fastest_kernels
from sampler.layouts.batch_buffer import buffer_arrays, buffer_size
from sampler.layouts.convert import unpack_batch
from sampler.memory.buffer_pool import BufferPool
from sampler.recipe import Recipe
from sampler.stream.keys import SampleKey
from sampler.undisturbed import import_undisturbed
from sampler.wire.messages import WireBatch
from sampler.wire.spec import ServiceSpec

ArrayT = TypeVar("ArrayT")


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class TrainingArrays(Generic[ArrayT]):
    """The arrays or tensors of B samples, and where they come from. `len(batch)` is B.

    The attributes named after single arrays exist for the families of corner detectors. In their shapes, S is the input
    side, H×W the output size, C the number of category planes, M the config's `max_objects`.

    Attributes:
        arrays: every array by its name, in the order of the server's array table.
        order: names of the targets in the order of `ys`; a nested tuple becomes a list.
        keys: of each sample, in order.
        recipes: of each sample, in order.
        untagged: (B,) int64, the number of objects of each sample beyond the room in tags and regrs.
        step: of the stream; None for a batch by index.
        digest: identity of all that the samples depend on.
    """

    arrays: dict[str, ArrayT]
    order: TrainingOrder
    keys: tuple[SampleKey, ...]
    recipes: tuple[Recipe, ...]
    untagged: ArrayT
    step: int | None
    digest: str

    def __len__(self) -> int:
        """B, the number of samples."""
        return len(self.keys)

    def __repr__(self) -> str:
        images: Any = self.images
        return _describe(self, f"images {images.dtype} {tuple(images.shape)}, {len(self.arrays)} arrays")

    @property
    def xs(self) -> list[ArrayT]:
        """The inputs of CornerNet-Lite's training step: [images]."""
        return [self.images]

    @property
    def ys(self) -> list[Any]:
        """The targets of a training step, in the order of the detector family.

        For CornerNet and CornerNet-Squeeze, as in CornerNet-Lite: [tl_heats, br_heats, tag_masks, tl_regrs, br_regrs,
        tl_tags, br_tags]. For CornerNet-Saccade also [tl_valids, br_valids, [attention, …]].
        """
        return [self.arrays[one] if isinstance(one, str) else [self.arrays[n] for n in one] for one in self.order]

    @property
    def images(self) -> ArrayT:
        """(B, 3, S, S) float32, normalised images, channels B, G, R."""
        return self.arrays["images"]

    @property
    def tl_heats(self) -> ArrayT:
        """(B, C, H, W) float32, Gaussian bumps of peak 1 at the top-left corners, by category."""
        return self._array("tl_heats")

    @property
    def br_heats(self) -> ArrayT:
        """The same as `tl_heats` for the bottom-right corners."""
        return self._array("br_heats")

    @property
    def tag_masks(self) -> ArrayT:
        """(B, M) uint8, 1 for the rows of regrs and tags that hold an object."""
        return self._array("tag_masks")

    @property
    def tl_regrs(self) -> ArrayT:
        """(B, M, 2) float32, x and y offset of the top-left corner in its cell, 0–1."""
        return self._array("tl_regrs")

    @property
    def br_regrs(self) -> ArrayT:
        """The same as `tl_regrs` for the bottom-right corners."""
        return self._array("br_regrs")

    @property
    def tl_tags(self) -> ArrayT:
        """(B, M) int64, cell of the top-left corner, y · W + x."""
        return self._array("tl_tags")

    @property
    def br_tags(self) -> ArrayT:
        """The same as `tl_tags` for the bottom-right corners."""
        return self._array("br_tags")

    @property
    def tl_valids(self) -> ArrayT | None:
        """(B, C, H, W) float32, 0 around top-left corners of ignored boxes, 1 elsewhere; None if no box is ignored."""
        return self.arrays.get("tl_valids")

    @property
    def br_valids(self) -> ArrayT | None:
        """The same as `tl_valids` for the bottom-right corners."""
        return self.arrays.get("br_valids")

    @property
    def attentions(self) -> tuple[ArrayT, ...]:
        """(B, 1, a, a) float32 for each attention map; empty for cornernet and cornernet_squeeze."""
        return tuple(array for name, array in self.arrays.items() if name.startswith("attentions_"))

    def _array(self, name: str) -> ArrayT:
        """Return an array that not every detector family has."""
        if name not in self.arrays:
            raise AttributeError(f"{name}: not an array of this batch, which has {', '.join(self.arrays)}")
        return self.arrays[name]


class Batch(TrainingArrays[NDArray[Any]]):
    """A batch of NumPy arrays."""

    def torch(self, device: Any = None) -> "TorchBatch":
        """Return the batch as tensors.

        Args:
            device: where the tensors are to be; by default they stay on the CPU and share memory with this batch.

        Raises:
            MissingExtraError: torch is not installed.
        """
        try:
            torch = import_undisturbed("torch")  # an optional extra, needed for tensors only
        except ImportError as error:
            raise MissingExtraError("torch is not installed: pip install 'saccade-sampler[torch]'") from error

        def tensor(array: NDArray[Any]) -> Any:
            on_cpu = torch.from_numpy(array)
            return on_cpu if device is None else on_cpu.to(device, non_blocking=True)

        return TorchBatch(
            arrays={name: tensor(array) for name, array in self.arrays.items()},
            order=self.order,
            keys=self.keys,
            recipes=self.recipes,
            untagged=tensor(self.untagged),
            step=self.step,
            digest=self.digest,
        )

    def save(self, path: Path | str) -> None:
        """Write a `.npz` file at exactly `path`. The write is atomic; nothing is pickled.

        The file holds every array by its name, `keys` (B, 3) uint64 as seed, epoch, index, `recipes` (B,) as JSON
        text, `untagged`, `step` (−1 for none) and `digest`.

        Raises:
            OSError: the file cannot be written.
        """
        members: Arrays = dict(self.arrays)
        members["keys"] = np.array([(key.seed, key.epoch, key.index) for key in self.keys], np.uint64)
        members["recipes"] = np.array([json.dumps(recipe.as_dict()) for recipe in self.recipes])
        members["untagged"] = self.untagged
        members["step"] = np.array(-1 if self.step is None else self.step, np.int64)
        members["digest"] = np.array(self.digest)
        with atomic_writer(Path(path)) as stream:
            np.savez(stream, allow_pickle=False, **members)


class TorchBatch(TrainingArrays[Any]):
    """A batch of PyTorch tensors."""


@dataclass(frozen=True, eq=False, slots=True)
class CompactBatch:
    """B samples before rendering. S is the input side, M the number of boxes in all samples together.

    All arrays are C-contiguous and read-only. They may share memory with their packed batch, and keep it alive.

    Attributes:
        crops: (B, S, S, 3) uint8, pixels after scale, crop and flip, channels B, G, R.
        colours: (B, 3, 4) float32, matrix from a pixel (B, G, R, 1) to the normalised image.
        boxes: (M, 5) float32, x0, y0, x1, y1 in crop pixels, category 1…C; all samples concatenated.
        objects: (M,) uint8, 1 for an object, 0 for an ignored box.
        starts: (B + 1,) int64; the boxes of sample b are the rows starts[b] … starts[b + 1] − 1.
    """

    crops: NDArray[np.uint8]
    colours: NDArray[np.float32]
    boxes: NDArray[np.float32]
    objects: NDArray[np.uint8]
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        """B, the number of samples."""
        return len(self.crops)


@dataclass(frozen=True, eq=False, repr=False)
class PackedBatch:
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
        return _describe(self, f"{self.layout}, {self.wire_bytes:,} bytes, not rendered")

    def __reduce__(self) -> tuple[type["PackedBatch"], tuple[WireBatch, ServiceSpec, int]]:
        """Pickle without the buffer pool: each process has its own."""
        return PackedBatch, (self.wire, self.spec, self.wire_bytes)

    @property
    def layout(self) -> Layout:
        return self.wire.header.layout

    @property
    def step(self) -> int | None:
        """Step of the stream; None for a batch by index."""
        return self.wire.header.step

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
        samples = [sample.arrays for sample in self.wire.samples]
        boxes = [sample["boxes"] for sample in samples]
        starts = np.zeros(len(samples) + 1, np.int64)
        np.cumsum([len(rows) for rows in boxes], out=starts[1:])
        return CompactBatch(
            crops=_read_only(self._stacked("crop", (*self.spec.config.input_size, 3), np.uint8)),
            colours=_read_only(self._stacked("colour", (3, 4), np.float32)),
            boxes=_read_only(np.concatenate([np.zeros((0, 5), np.float32), *boxes])),
            objects=_read_only(np.concatenate([np.zeros(0, np.uint8), *(sample["objects"] for sample in samples)])),
            starts=_read_only(starts),
        )

    def _stacked(self, name: str, shape: tuple[int, ...], dtype: type) -> NDArray[Any]:
        if name in self.wire.stacked:
            return self.wire.stacked[name]
        arrays = [sample.arrays[name] for sample in self.wire.samples]
        return np.stack(arrays) if arrays else np.zeros((0, *shape), dtype)

    def render(self, out: Mapping[str, NDArray[Any]] | None = None, kernels: Kernels | None = None) -> Batch:
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
        samples = [sample.arrays for sample in self.wire.samples]
        unpack_batch(samples, self.layout, config, arrays, kernels or fastest_kernels())
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


def _describe(batch: TrainingArrays[Any] | PackedBatch, content: str) -> str:
    seeds = ", ".join(str(seed) for seed in dict.fromkeys(key.seed for key in batch.keys))
    step = "by index" if batch.step is None else f"step {batch.step}"
    return f"<{type(batch).__name__}: {len(batch.keys)} samples, seed {seeds}, {step}; {content}>"
