"""What batches of arrays and batches of tensors have in common."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, SupportsIndex, cast

import numpy as np
from numpy.typing import NDArray

from client.batches.box_table import NO_BOXES, BoxTable
from client.batches.notebook_view import MOST_THUMBNAILS, page, plain
from client.batches.sample_view import SampleView, corners_of, in_host_memory, pictures_module, pixels_of
from client.errors import ClientError, checked_arguments
from sampler.checks import require_integer
from sampler.families.interface import TrainingOrder
from sampler.recipe import Recipe
from sampler.stream.keys import SampleKey
from sampler.wire.spec import ServiceSpec

if TYPE_CHECKING:
    from PIL.Image import Image

    # Type checkers know this module without an installation. Before Python 3.13, a TypeVar has no default.
    from typing_extensions import TypeVar

    ArrayT = TypeVar("ArrayT")
    StepT_co = TypeVar("StepT_co", bound=int | None, default=int | None, covariant=True)
else:
    from typing import TypeVar

    ArrayT = TypeVar("ArrayT")
    StepT_co = TypeVar("StepT_co", bound=int | None, covariant=True)

LARGEST_PICTURE = 8192
"""Pixels of the longer side."""


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
        untagged: (B,) int64, the number of objects in each sample that did not fit into the M rows of tags and regrs.
        step: of the stream; None for a batch by index.
        digest: identity of all that the samples depend on.
        spec: of the server, with the config and the names of the categories.
        box_table: the boxes of all samples; None if they did not travel, as in the layouts "sparse" and "dense".

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
    spec: ServiceSpec
    box_table: BoxTable | None

    kind: ClassVar[str]
    """The name of the public class."""

    __iter__ = None  # otherwise Python would iterate by index, which is for slices only

    def __len__(self) -> int:
        """B, the number of samples."""
        return len(self.keys)

    def __getitem__(self, rows: slice) -> Self:
        """Return a batch of some samples, such as `batch[2:5]`.

        It shares memory with this batch, unless the slice has a negative step. A slice of a loader's batch, even an
        empty one, therefore keeps the loader from reusing the memory; `copy.deepcopy(batch[2:5])` does not.

        Raises:
            TypeError: `rows` is no slice.
        """
        _require_slice(rows)
        chosen = range(len(self))[rows]
        # PyTorch takes no negative step, nor NumPy arrays that have one.
        where = rows if chosen.step > 0 else list(chosen)
        return replace(
            self,
            arrays={name: _selected(array, where) for name, array in self.arrays.items()},
            keys=self.keys[rows],
            recipes=self.recipes[rows],
            untagged=_selected(self.untagged, where),
            box_table=None if self.box_table is None else self.box_table.select(chosen),
        )

    def __repr__(self) -> str:
        images: Any = self.images
        content = f"images {images.dtype} {tuple(images.shape)}, {len(self.arrays)} arrays"
        return described(self.kind, self.keys, self.step, content)

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
        """(B, C, H, W) float32, 0 around top-left corners of ignored boxes, 1 elsewhere.

        None for detector families that ignore no boxes.
        """
        return self.arrays.get("tl_valids")

    @property
    def br_valids(self) -> ArrayT | None:
        """The same as `tl_valids` for the bottom-right corners."""
        return self.arrays.get("br_valids")

    @property
    def attentions(self) -> tuple[ArrayT, ...]:
        """(B, 1, a, a) float32 for each attention map; empty for cornernet and cornernet_squeeze."""
        return tuple(array for name, array in self.arrays.items() if name.startswith("attentions_"))

    def boxes(self, sample: int) -> NDArray[np.float32]:
        """(n, 4) float32, x0, y0, x1, y1 of the sample's boxes in pixels of its image, the ignored ones included.

        A NumPy array, also for a batch of tensors. `sample` is 0 … B−1, or negative to count from the end.

        Raises:
            ClientError: boxes travel in the layout "compact" only, and the batch had another one.
            IndexError: there is no such sample.
        """
        table = self._table()
        return table.boxes[table.rows(self._number(sample)), :4].copy()

    def labels(self, sample: int) -> NDArray[np.int64]:
        """(n,) int64, the category plane of each box of `boxes(sample)`, from 0.

        Label c has the plane c of `tl_heats`, the name `spec.category_names[c]` and the id `spec.category_ids[c]` of
        the annotation file. Errors are those of `boxes`.
        """
        table = self._table()
        return table.boxes[table.rows(self._number(sample)), 4].astype(np.int64) - 1

    def objects(self, sample: int) -> NDArray[np.bool_]:
        """(n,) bool, False for each box of `boxes(sample)` that is ignored. Errors are those of `boxes`."""
        table = self._table()
        return table.objects[table.rows(self._number(sample))].astype(np.bool_)

    def image(self, sample: int) -> NDArray[np.uint8]:
        """(S, S, 3) uint8, the sample's image as the detector gets it, without normalisation, channels R, G, B.

        A NumPy array, also for a batch of tensors. Colours that the augmentation moved out of range are clipped.

        Raises:
            ClientError: the tensors are on the device "meta" and have no values.
            IndexError: there is no such sample.
        """
        image = _selected(self.images, self._number(sample))
        return pixels_of(in_host_memory(image), self.spec.config)

    def show(self, sample: int, size: int = 768) -> "Image":
        """Return a picture of a sample: its image with boxes, names and corners, as a Pillow image.

        A notebook displays it; a script calls its `save("sample.png")`. Objects are green, ignored boxes orange. The
        points are the corners of the objects that have tags: top-left in blue, bottom-right in pink. A batch that
        has no boxes shows the corners only. The largest boxes have names. If Pillow's font lacks letters of a name, the
        label precedes it.

        Args:
            sample: 0 … B−1, or negative to count from the end.
            size: of the picture's longer side in pixels, 1 … 8192.

        Raises:
            MissingExtraError: Pillow is not installed.
            RequestRefusedError: `size` is out of range.
            ClientError: Pillow cannot be imported, or the batch has no values: see `image`.
            IndexError: there is no such sample.
        """
        with checked_arguments():
            side = require_integer("size", size, 1, LARGEST_PICTURE)
        picture: Image = pictures_module().picture(self._view(self._number(sample)), side)
        return picture

    def _repr_html_(self) -> str:
        """The batch as notebooks show it: thumbnails of the first samples."""
        views = (self._view(number) for number in range(min(len(self), MOST_THUMBNAILS)))
        try:
            return page(repr(self), len(self), views)
        except Exception as error:  # noqa: BLE001 - a notebook shows the reason, and whatever else its cell gives
            return plain(repr(self), f"{type(error).__name__}: {error}")

    def _view(self, number: int) -> SampleView:
        table, rows = NO_BOXES, slice(0)
        if self.box_table is not None:
            table, rows = self.box_table, self.box_table.rows(number)
        labels = table.boxes[rows, 4].astype(np.int64) - 1
        top_left, bottom_right = corners_of(self.arrays, number, self.spec.config)
        return SampleView(
            key=self.keys[number],
            image=self.image(number),
            boxes=table.boxes[rows, :4],
            labels=labels,
            objects=table.objects[rows].astype(np.bool_),
            names=tuple(self.spec.category_names[label] for label in labels.tolist()),
            top_left=top_left,
            bottom_right=bottom_right,
        )

    def _number(self, sample: int) -> int:
        """Return the number of a sample, 0 … B−1."""
        number = operator.index(sample)
        if not -len(self) <= number < len(self):
            raise IndexError(f"sample {number}: {_valid_samples(len(self))}")
        return number % len(self)

    def _table(self) -> BoxTable:
        if self.box_table is None:
            raise ClientError(
                'this batch has no boxes, because it was not received in the layout "compact": '
                'leave out layout="sparse" or layout="dense"'
            )
        return self.box_table

    def _array(self, name: str) -> ArrayT:
        """Return an array that not every detector family has."""
        if name not in self.arrays:
            raise AttributeError(f"{name}: not an array of this batch, which has {', '.join(self.arrays)}")
        return self.arrays[name]


def described(kind: str, keys: Sequence[SampleKey], step: int | None, content: str) -> str:
    """Return the `repr` of any kind of batch."""
    seeds = ", ".join(str(seed) for seed in dict.fromkeys(key.seed for key in keys))
    place = "by index" if step is None else f"step {step}"
    origin = f"seed {seeds}, {place}" if keys else place
    return f"<{kind}: {len(keys)} samples, {origin}; {content}>"


def _require_slice(rows: object) -> None:
    if not isinstance(rows, slice):
        one = _slice_of(rows)
        raise TypeError(f"a batch takes slices only: use {one} for a batch of one sample, or batch.image(…)")


def _slice_of(sample: object) -> str:
    """Return the slice of one sample, as it is written; of any sample if `sample` is no integer."""
    try:
        number = operator.index(cast("SupportsIndex", sample))
    except TypeError:
        return "batch[2:3]"
    return "batch[-1:]" if number == -1 else f"batch[{number}:{number + 1}]"


def _valid_samples(count: int) -> str:
    if count == 0:
        return "this batch is empty"
    return f"expected −{count} … {count - 1} (this batch has {count} {'sample' if count == 1 else 'samples'})"


def _selected(array: Any, samples: int | slice | list[int]) -> Any:
    return array[samples]
