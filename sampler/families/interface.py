"""The interface of a detector family.

A family decides what a sample of its detectors is: where the crop lies, which target arrays there are and what is drawn
into them. Everything else (streams, decoding, colour, layouts, wire format, server, client) is the same for all
families.

To write a family, subclass `Family` in your own module and create one instance of it:

    class CentreFamily(Family):
        presets = (SamplerConfig(kind="my_package.centres:FAMILY", name="centres", ...),)

        def target_specs(self, config, categories): ...
        ...

    FAMILY = CentreFamily()

Its `kind` is the import path `my_package.centres:FAMILY`. A server loads it from a JSON config file:

    {"system": {"sampling_function": "my_package.centres:FAMILY"}, "db": {"input_size": [255, 255]}}

A client imports no code that a server names. Register the family in the training process first:

    client.register_family("my_package.centres:FAMILY")

Samples must be reproducible to the last bit on any machine. So every method is a pure function of its arguments: take
random decisions from the given random bits (`sampler.rng.distributions`), use elementary functions from
`sampler.rng.exact_math`, and sum floats in a fixed order. Change the family's import path or its config when you change
its samples: a digest covers the config, not the code.

The same arguments mean the same in every method. `config` is a config of this family, `categories` the number C of
category planes: the dataset's categories, or more if the config says so. Boxes are (N, 5) float32: x0, y0, x1, y1 in
pixels and the category 1…C. `height` and `width` are those of the image in pixels, and `boxes` its unclipped boxes
unless documented otherwise. `kernels` are the inner loops to use, such as `kernels.clip_boxes`; they do not change the
result.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from sampler.arrays import ArrayMap, ArraySpec, Booleans, Integers
from sampler.config_schema import SamplerConfig
from sampler.families.crop_plan import CropPlan
from sampler.families.placement_theory import PlacementTheory
from sampler.kernels.interface import Kernels
from sampler.ops.boxes import Boxes
from sampler.ops.targets import TargetNames
from sampler.recipe import Recipe

PLACEMENT_DRAWS = 11
"""Random integers that a family gets for the placement of one crop."""

IgnoreReasons = tuple[tuple[str, Booleans], ...]
"""(words, (N,) which boxes are ignored for this reason); the first that holds counts."""

TrainingOrder = tuple[str | tuple[str, ...], ...]
"""Names of arrays in the order of a training step's targets; a nested tuple becomes a list."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a crop lies: the fields of a `Recipe` that the family decides, as its `plan_crop` reads them."""

    scale: float
    reference: int | None
    center: tuple[int, int]


class Family(ABC):
    """A detector family. Instances have no state; the module docstring says how to write one."""

    presets: ClassVar[tuple[SamplerConfig, ...]]
    """The family's published configs, at least one. A config file that names the family starts from the first."""

    fixed_fields: ClassVar[frozenset[str]] = frozenset()
    """Config fields that a config file cannot set: the family has the value of its first preset for them always, or no
    sample depends on them. A file's keys for them are ignored with a warning."""

    ignores_boxes: ClassVar[bool] = False
    """Whether `plan_crop` may mark boxes as ignored (not objects)."""

    def check_config(self, config: SamplerConfig) -> None:  # noqa: B027 - a family without conditions needs no check
        """Raise `ConfigError` for a config that the family cannot use. Every field is in its own range already."""

    @abstractmethod
    def target_specs(self, config: SamplerConfig, categories: int) -> tuple[ArraySpec, ...]:
        """Return the target arrays of a dense sample, in the order in which they are sent; all shapes are fixed.

        An array of one plane per category, (C, height, width) float32, must set `ArraySpec.sparse`: the sparse layout
        sends it as coordinates and values. A box draws only into the plane of its category, in the same way for
        each category. No other shape may depend on C.
        """

    @abstractmethod
    def training_order(self, config: SamplerConfig) -> TrainingOrder:
        """Return the names of the target arrays in the order of `client.Batch.ys`."""

    @abstractmethod
    def draw_placement(
        self, bits: Sequence[int], config: SamplerConfig, height: int, width: int, boxes: Boxes, kernels: Kernels
    ) -> Placement:
        """Draw where the crop lies.

        bits: `PLACEMENT_DRAWS` independent random 64-bit integers of the sample's key. Give each decision an index of
        its own, so that a decision more or less does not change the others.
        """

    @abstractmethod
    def fixed_placement(self, config: SamplerConfig, height: int, width: int, boxes: Boxes) -> Placement:
        """Return the placement without augmentation, the same for every seed and epoch."""

    @abstractmethod
    def plan_crop(
        self, height: int, width: int, boxes: Boxes, recipe: Recipe, config: SamplerConfig, kernels: Kernels
    ) -> CropPlan:
        """Return what a recipe makes of an image and its boxes, except for the pixels.

        Raises:
            RecipeError: The recipe does not fit the image and its boxes. Recorded recipes come from files.
        """

    @abstractmethod
    def draw_targets(
        self, boxes: Boxes, objects: Booleans, starts: Integers, config: SamplerConfig, out: ArrayMap, kernels: Kernels
    ) -> None:
        """Draw the targets of B samples.

        Args:
            boxes: (M, 5) boxes of all samples, concatenated, in crop pixels.
            objects: (M,) False for ignored boxes.
            starts: (B + 1,) sample b has rows starts[b] to starts[b + 1] of `boxes` and `objects`.
            config: A config of this family.
            out: At least the arrays of `target_specs`, each with a leading axis of B, filled with their backgrounds.
                C may be smaller than the dataset's category count, never than the largest category in `boxes`.
            kernels: Inner loops to use.
        """

    def most_sparse_values(self, config: SamplerConfig, categories: int, boxes: int) -> int:
        """Return an upper bound on the values of all sparse arrays of a sample together, in the sparse layout.

        The bound sizes memory for messages. By default it is the number of all cells. boxes: number of boxes of the
        image, before clipping.
        """
        return sum(spec.nbytes // 4 for spec in self.target_specs(config, categories) if spec.sparse is not None)

    def corner_names(self, config: SamplerConfig) -> TargetNames | None:
        """Return the names of the corner targets, or None if the targets are not those of `sampler.ops.targets`.

        With names, targets are drawn by compiled kernels, on a GPU by PyTorch, and shown in the debug picture. Without,
        `draw_targets` draws them on the CPU wherever they are needed.
        """
        return None

    def ignore_reasons(self, ignored: Boxes, config: SamplerConfig) -> IgnoreReasons:
        """Return why boxes are ignored, for statistics; none if it is not known. ignored: boxes in crop pixels."""
        return ()

    def placement_theory(self, config: SamplerConfig) -> PlacementTheory | None:
        """Return the laws of random placements, which statistics compare drawn ones with; None if not known."""
        return None
