"""Rendered batches, as a training step takes them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from client.errors import MissingExtraError
from sampler.arrays import Arrays
from sampler.atomic_write import atomic_writer
from sampler.families.interface import TrainingOrder
from sampler.recipe import Recipe
from sampler.stream.keys import SampleKey

ArrayT = TypeVar("ArrayT")


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class TrainingArrays(Generic[ArrayT]):
    """The arrays or tensors of B samples, and where they come from. `len(batch)` is B.

    The attributes named after single arrays exist for the families of corner detectors. In their shapes, S is the input
    side, H×W the output size, C the number of categories, M the config's `max_objects`.

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
        return describe(self, f"images {images.dtype} {tuple(images.shape)}, {len(self.arrays)} arrays")

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
        return self.arrays["tl_heats"]

    @property
    def br_heats(self) -> ArrayT:
        """The same as `tl_heats` for the bottom-right corners."""
        return self.arrays["br_heats"]

    @property
    def tag_masks(self) -> ArrayT:
        """(B, M) uint8, 1 for the rows of regrs and tags that hold an object."""
        return self.arrays["tag_masks"]

    @property
    def tl_regrs(self) -> ArrayT:
        """(B, M, 2) float32, x and y offset of the top-left corner in its cell, 0–1."""
        return self.arrays["tl_regrs"]

    @property
    def br_regrs(self) -> ArrayT:
        """The same as `tl_regrs` for the bottom-right corners."""
        return self.arrays["br_regrs"]

    @property
    def tl_tags(self) -> ArrayT:
        """(B, M) int64, cell of the top-left corner, y · W + x."""
        return self.arrays["tl_tags"]

    @property
    def br_tags(self) -> ArrayT:
        """The same as `tl_tags` for the bottom-right corners."""
        return self.arrays["br_tags"]

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
