"""What batches of arrays and batches of tensors have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

from sampler.families.interface import TrainingOrder
from sampler.recipe import Recipe
from sampler.stream.keys import SampleKey

if TYPE_CHECKING:
    # Type checkers know this module without an installation. Before Python 3.13, a TypeVar has no default.
    from typing_extensions import TypeVar

    ArrayT = TypeVar("ArrayT")
    StepT_co = TypeVar("StepT_co", bound=int | None, default=int | None, covariant=True)
else:
    from typing import TypeVar

    ArrayT = TypeVar("ArrayT")
    StepT_co = TypeVar("StepT_co", bound=int | None, covariant=True)


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class TrainingArrays(Generic[ArrayT, StepT_co]):
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

    The type parameters are the type of the arrays and that of `step`: `Batch[int]` for batches of streams and loaders,
    `Batch` where `step` may be None.
    """

    arrays: dict[str, ArrayT]
    order: TrainingOrder
    keys: tuple[SampleKey, ...]
    recipes: tuple[Recipe, ...]
    untagged: ArrayT
    step: StepT_co
    digest: str

    def __len__(self) -> int:
        """B, the number of samples."""
        return len(self.keys)

    def __repr__(self) -> str:
        images: Any = self.images
        content = f"images {images.dtype} {tuple(images.shape)}, {len(self.arrays)} arrays"
        return described(self, self.keys, self.step, content)

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


def described(batch: object, keys: Sequence[SampleKey], step: int | None, content: str) -> str:
    """Return the `repr` of any kind of batch."""
    seeds = ", ".join(str(seed) for seed in dict.fromkeys(key.seed for key in keys))
    place = "by index" if step is None else f"step {step}"
    return f"<{type(batch).__name__}: {len(keys)} samples, seed {seeds}, {place}; {content}>"
