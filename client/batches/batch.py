"""Rendered batches, as a training step takes them."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from client.errors import MissingExtraError
from sampler.arrays import Arrays
from sampler.recipe import Recipe
from sampler.stream.keys import SampleKey

ArrayT = TypeVar("ArrayT")

ARRAY_NAMES = (
    "images", "tl_heats", "tl_regrs", "tl_tags", "tl_valids", "br_heats", "br_regrs", "br_tags", "br_valids",
    "tag_masks",
)  # fmt: skip
"""The arrays other than attention maps, in the order of the array table."""


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class TrainingArrays(Generic[ArrayT]):
    """The arrays or tensors of B samples, and where they come from. `len(batch)` is B.

    S is the input side, H×W the output size, C the number of categories, M the config's `max_objects`.

    Attributes:
        images: (B, 3, S, S) float32, normalised images, channels B, G, R.
        tl_heats: (B, C, H, W) float32, Gaussian bumps of peak 1 at the top-left corners, by category.
        br_heats: the same for the bottom-right corners.
        tag_masks: (B, M) uint8, 1 for the rows of regrs and tags that hold an object.
        tl_regrs: (B, M, 2) float32, x and y offset of the top-left corner in its cell, 0–1.
        br_regrs: the same for the bottom-right corners.
        tl_tags: (B, M) int64, cell of the top-left corner, y · W + x.
        br_tags: the same for the bottom-right corners.
        tl_valids: (B, C, H, W) float32, 0 around the top-left corners of ignored boxes, 1 elsewhere; None if the config
            has none (cornernet, cornernet_squeeze).
        br_valids: the same for the bottom-right corners.
        attentions: (B, 1, a, a) float32 for each attention map; empty for cornernet and cornernet_squeeze.
        keys: of each sample, in order.
        recipes: of each sample, in order.
        untagged: (B,) int64, the number of objects of each sample beyond the room in tags and regrs.
        step: of the stream; None for a batch by index.
        digest: identity of all that the samples depend on.
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
        return describe(self, f"images {images.dtype} {tuple(images.shape)}, {len(self.arrays)} arrays")

    @property
    def xs(self) -> list[ArrayT]:
        """The inputs of CornerNet-Lite's training step: [images]."""
        return [self.images]

    @property
    def ys(self) -> list[Any]:
        """The targets of CornerNet-Lite's training step, in its order.

        [tl_heats, br_heats, tag_masks, tl_regrs, br_regrs, tl_tags, br_tags], and for CornerNet-Saccade
        also [tl_valids, br_valids, [attention, …]].
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
            import torch  # an optional extra, needed for tensors only
        except ImportError as error:
            raise MissingExtraError("torch is not installed: pip install 'saccade-sampler[torch]'") from error

        def tensor(array: NDArray[Any]) -> Any:
            on_cpu = torch.from_numpy(array)
            return on_cpu if device is None else on_cpu.to(device, non_blocking=True)

        return TorchBatch(
            **training_fields({name: tensor(array) for name, array in self.arrays.items()}),
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


class TorchBatch(TrainingArrays[Any]):
    """A batch of PyTorch tensors."""


class _Described(Protocol):
    @property
    def keys(self) -> Sequence[SampleKey]: ...

    @property
    def step(self) -> int | None: ...


def describe(batch: _Described, content: str) -> str:
    """Return the one-line representation of a batch."""
    seeds = ", ".join(str(seed) for seed in dict.fromkeys(key.seed for key in batch.keys))
    step = "by index" if batch.step is None else f"step {batch.step}"
    return f"<{type(batch).__name__}: {len(batch.keys)} samples, seed {seeds}, {step}; {content}>"


def training_fields(arrays: dict[str, Any]) -> dict[str, Any]:
    """Return arrays or tensors, by their names in the array table, as fields of `TrainingArrays`."""
    fields = {name: arrays.get(name) for name in ARRAY_NAMES}
    count = len(arrays.keys() - set(ARRAY_NAMES))
    return {**fields, "attentions": tuple(arrays[f"attentions_{number}"] for number in range(count))}
