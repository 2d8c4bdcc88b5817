"""A batch as a training step takes it, and as it came over the wire."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from client.batches.compact import CompactBatch, compact_batch, require_room
from client.errors import MissingExtraError
from client.protocol.requests import require_layout
from client.protocol.responses import checked
from sampler.array_table import dense_table
from sampler.arrays import Arrays, Layout
from sampler.errors import InvalidRequestError
from sampler.kernels.interface import Kernels
from sampler.kernels.selection import fastest_kernels
from sampler.layouts.batch_buffer import buffer_arrays, buffer_size
from sampler.layouts.convert import unpack_batch
from sampler.memory.buffer_pool import RecycledMemory
from sampler.recipe import Recipe
from sampler.stream.keys import SampleKey
from sampler.wire.messages import WireBatch
from sampler.wire.spec import ServiceSpec

ArrayT = TypeVar("ArrayT")


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainingArrays(Generic[ArrayT]):
    """The arrays or tensors of B samples.

    S is the input side, H×W the output size, C the category count, M the config's `max_objects`:

    images          (B, 3, S, S)    float32  normalised image, channels B, G, R
    tl_heats        (B, C, H, W)    float32  bumps of peak 1 at top-left corners, by category; br_heats alike
    tag_masks       (B, M)          uint8    1 for rows of regrs and tags that hold an object
    tl_regrs        (B, M, 2)       float32  x and y offset of the corner in its cell, 0–1; br_regrs alike
    tl_tags         (B, M)          int64    cell of the corner, y · W + x; br_tags alike
    tl_valids       (B, C, H, W)    float32  0 around corners of ignored boxes, 1 elsewhere; br_valids alike;
                                             both None where the config has none (cornernet, cornernet_squeeze)
    attentions      (B, 1, a, a)    float32  for each attention map; no map for cornernet and cornernet_squeeze
    """

    images: ArrayT
    tl_heats: ArrayT
    br_heats: ArrayT
    tag_masks: ArrayT
    tl_regrs: ArrayT
    br_regrs: ArrayT
    tl_tags: ArrayT
    br_tags: ArrayT
    tl_valids: ArrayT | None
    br_valids: ArrayT | None
    attentions: tuple[ArrayT, ...]

    @property
    def xs(self) -> list[ArrayT]:
        """The inputs of CornerNet-Lite's training step: [images]."""
        return [self.images]

    @property
    def ys(self) -> list[Any]:
        """The targets of CornerNet-Lite's training step, in its order.

        [tl_heats, br_heats, tag_masks, tl_regrs, br_regrs, tl_tags, br_tags], and for CornerNet-Saccade
        further [tl_valids, br_valids, [attention, …]].
        """
        targets: list[Any] = [self.tl_heats, self.br_heats, self.tag_masks, self.tl_regrs, self.br_regrs]
        targets += [self.tl_tags, self.br_tags]
        if self.tl_valids is not None:
            targets += [self.tl_valids, self.br_valids, list(self.attentions)]
        return targets

    @property
    def arrays(self) -> dict[str, ArrayT]:
        """Every array by its name in the server's array table; attention maps are `attentions_0` and so on."""
        named = {name: getattr(self, name) for name in ARRAY_NAMES}
        named |= {f"attentions_{number}": array for number, array in enumerate(self.attentions)}
        return {name: array for name, array in named.items() if array is not None}


ARRAY_NAMES = (
    "images", "tl_heats", "tl_regrs", "tl_tags", "tl_valids", "br_heats", "br_regrs", "br_tags", "br_valids",
    "tag_masks",
)  # fmt: skip
"""The arrays other than attention maps, in the order of the array table."""


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Batch(TrainingArrays[NDArray[Any]]):
    """B samples as NumPy arrays, and where they come from.

    keys, recipes: of each sample, in order. untagged: (B,) int64, how many objects of each sample found no room in
    tags and offsets. step: of the stream, or None for a batch by index. digest: identity of what the samples
    depend on. `len(batch)` is B.
    """

    keys: tuple[SampleKey, ...]
    recipes: tuple[Recipe, ...]
    untagged: NDArray[np.int64]
    step: int | None
    digest: str

    def __len__(self) -> int:
        """B, the number of samples."""
        return len(self.keys)

    def __repr__(self) -> str:
        """What it is, on one line: arrays are looked at by name."""
        return _shown(self, f"images {self.images.dtype} {tuple(self.images.shape)}, {len(self.arrays)} arrays")

    def torch(self, device: Any = None) -> "TorchBatch":
        """Return the same as tensors, on `device` if one is given.

        Tensors on the CPU share memory with this batch. Raises `MissingExtraError` where torch is not installed.
        """
        try:
            import torch  # an optional extra: only those who ask for tensors need it
        except ImportError as error:
            raise MissingExtraError("torch is not installed: pip install 'saccade-sampler[torch]'") from error

        def tensor(array: NDArray[Any]) -> Any:
            whole = torch.from_numpy(array)
            return whole if device is None else whole.to(device, non_blocking=True)

        named = {name: tensor(array) for name, array in self.arrays.items()}
        return TorchBatch(**training_fields(named), **self._origin(), untagged=tensor(self.untagged))

    def save(self, path: Path | str) -> None:
        """Write a `.npz` file at exactly `path`, whole or not at all. Raises OSError where that cannot be.

        It holds every array by its name, `keys` (B, 3) uint64 as seed, epoch, index, `recipes` (B,) as JSON text,
        `untagged`, `step` (−1 for none) and `digest`. Nothing in it is pickled.
        """
        target = Path(path)
        members: Arrays = dict(self.arrays)
        members["keys"] = np.array([(key.seed, key.epoch, key.index) for key in self.keys], np.uint64)
        members["recipes"] = np.array([json.dumps(recipe.as_dict()) for recipe in self.recipes])
        members["untagged"] = self.untagged
        members["step"] = np.array(-1 if self.step is None else self.step, np.int64)
        members["digest"] = np.array(self.digest)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
            part = Path(folder) / "batch.npz"
            np.savez(part, allow_pickle=False, **members)
            part.replace(target)

    def _origin(self) -> dict[str, Any]:
        return {"keys": self.keys, "recipes": self.recipes, "step": self.step, "digest": self.digest}


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class TorchBatch(TrainingArrays[Any]):
    """The same as `Batch`, with tensors in place of arrays."""

    keys: tuple[SampleKey, ...]
    recipes: tuple[Recipe, ...]
    untagged: Any
    step: int | None
    digest: str

    def __len__(self) -> int:
        """B, the number of samples."""
        return len(self.keys)

    def __repr__(self) -> str:
        """What it is, on one line: arrays are looked at by name."""
        return _shown(self, f"images {self.images.dtype} {tuple(self.images.shape)}, {len(self.arrays)} arrays")


@dataclass(frozen=True, eq=False, repr=False)
class PackedBatch:
    """A whole and checked batch in the layout it came in, not yet rendered.

    Receiving and rendering may so be done in different threads. wire_bytes: bytes that arrived for it. memory: where
    `render` takes room from.

    Its arrays lie in memory that is used again for a later batch once the last view of them is gone: this object,
    its arrays, slices and tensors of them all count. A loop that lets its batches go so runs in warm memory, and one
    that keeps them gets fresh memory each time; neither has to say anything.
    """

    wire: WireBatch
    spec: ServiceSpec
    wire_bytes: int
    memory: RecycledMemory = field(default_factory=RecycledMemory, repr=False)

    def __len__(self) -> int:
        """B, the number of samples."""
        return len(self.wire.samples)

    def __repr__(self) -> str:
        """What it is, on one line."""
        return _shown(self, f"{self.layout}, {self.wire_bytes:,} bytes, not rendered")

    def __reduce__(self) -> tuple[type["PackedBatch"], tuple[WireBatch, ServiceSpec, int]]:
        """Leave the memory behind: another process has its own."""
        return PackedBatch, (self.wire, self.spec, self.wire_bytes)

    @property
    def layout(self) -> Layout:
        """How the batch came: "compact", "sparse" or "dense"."""
        return self.wire.header.layout

    @property
    def step(self) -> int | None:
        """Step of the stream, or None for a batch by index."""
        return self.wire.header.step

    @property
    def keys(self) -> tuple[SampleKey, ...]:
        """The key of each sample, in order."""
        return tuple(sample.key for sample in self.wire.samples)

    def compact(self) -> CompactBatch:
        """Return crops, colour matrices and boxes of all samples, for rendering elsewhere, such as on a GPU.

        Crops and colour matrices are not copied where they arrived beneath one another, as they do from our server.
        Raises `RequestRefusedError` for a batch that came in another layout than "compact".
        """
        with checked():
            if self.layout != "compact":
                raise InvalidRequestError("layout", self.layout, "compact, for what is to be rendered elsewhere")
            return compact_batch([sample.arrays for sample in self.wire.samples], self.wire.stacks, self.spec.config)

    def render(self, out: Mapping[str, NDArray[Any]] | None = None, kernels: Kernels | None = None) -> Batch:
        """Return the batch as arrays: the same to the last bit, whatever the layout.

        out: arrays to fill, by name; exactly those of the dense array table, of its dtypes and of shape (B, …), which
        the batch then has. Without it, memory of an earlier batch that is gone is used, or fresh memory. kernels: what
        runs the loops over pixels; by default compiled ones where Numba is installed.

        A batch that came in the layout "dense" is there already: without `out` nothing is copied, and all batches
        rendered from it share its memory.

        Raises `RequestRefusedError` where `out` does not fit.
        """
        return Batch(
            **training_fields(self._dense(out, kernels)),
            keys=self.keys,
            recipes=tuple(sample.recipe for sample in self.wire.samples),
            untagged=np.array([sample.untagged for sample in self.wire.samples], np.int64),
            step=self.step,
            digest=self.wire.header.digest,
        )

    def _dense(self, out: Mapping[str, NDArray[Any]] | None, kernels: Kernels | None) -> Arrays:
        config, count = self.spec.config, len(self)
        table = dense_table(config, self.spec.categories)
        if out is None and self.layout == "dense" and self.wire.stacks:
            return {spec.name: self.wire.stacks[spec.name] for spec in table}
        if out is None:
            arrays = buffer_arrays(self.memory.take(buffer_size(table, count)), table, count)
        else:
            with checked():
                arrays = require_room(out, table, count)
        samples = [sample.arrays for sample in self.wire.samples]
        unpack_batch(samples, require_layout(self.layout), config, arrays, kernels or fastest_kernels())
        return arrays


def _shown(batch: Batch | TorchBatch | PackedBatch, content: str) -> str:
    seeds = ", ".join(str(seed) for seed in dict.fromkeys(key.seed for key in batch.keys))
    step = "by index" if batch.step is None else f"step {batch.step}"
    return f"<{type(batch).__name__}: {len(batch)} samples, seed {seeds}, {step}; {content}>"


def training_fields(arrays: dict[str, Any]) -> dict[str, Any]:
    """Return arrays or tensors, by their names in the array table, as the fields of `TrainingArrays`."""
    fields = {name: arrays.get(name) for name in ARRAY_NAMES}
    count = len(arrays.keys() - set(ARRAY_NAMES))
    return {**fields, "attentions": tuple(arrays[f"attentions_{number}"] for number in range(count))}
