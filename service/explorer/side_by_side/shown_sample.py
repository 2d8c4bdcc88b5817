"""A sample as the pages with two samples show it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from service.errors.problems import ServiceError
from service.explorer.sample.layer_choice import BOXES, CROP
from service.explorer.sample.overlay import BoxShape, box_shapes
from service.explorer.side_by_side.layers import layers_of
from service.explorer.side_by_side.made import Made
from service.explorer.side_by_side.urls import VariantUrls
from service.explorer.side_by_side.variants import Variant


@dataclass(frozen=True, slots=True)
class ShownSample:
    """A sample as the templates show it.

    Attributes:
        title: Of its card.
        name: The sample in words.
        variant: Which sample of the image it is.
        page: URL of its page, or "".
        crop_side: Of the crop in pixels.
        layers: Those of the facts that are shown, from bottom to top, with their URLs.
        shapes: Its boxes in the crop, largest first; None if they are not shown.
        counts: Of its boxes.
        problem: Why the sample cannot be shown; "" if it can.
    """

    title: str
    name: str
    variant: Variant
    page: str
    crop_side: int = 0
    layers: tuple[dict[str, Any], ...] = ()
    shapes: tuple[BoxShape, ...] | None = None
    counts: dict[str, int] = field(default_factory=dict)
    problem: str = ""

    @property
    def summary(self) -> str:
        """The counts in words."""
        return ", ".join(f"{count} {name}" for name, count in self.counts.items())


def show_sample(title: str, variant: Variant, made: Made, layers: Sequence[str], urls: VariantUrls) -> ShownSample:
    """Return a sample for a template.

    Args:
        title: Of its card.
        variant: Which sample of the image it is.
        made: The facts about the sample, or why it cannot be made.
        layers: Names of the layers to show.
        urls: Those of the image.
    """
    name, page = _name(title, variant, urls.index), urls.page(variant)
    if isinstance(made, ServiceError):
        return ShownSample(title, name, variant, page, problem=str(made))
    side = int(made["side"])
    visible = [layer for layer in layers_of([made]).values() if layer["name"] in layers]
    return ShownSample(
        title, name, variant, page, side,
        layers=tuple(layer | {"url": urls.layer(variant, layer["name"])} for layer in visible),
        shapes=tuple(box_shapes(made["boxes"], CROP, (0, 0, side, side))) if BOXES in layers else None,
        counts=dict(made["counts"]),
    )  # fmt: skip


def _name(title: str, variant: Variant, index: int) -> str:
    name = f"{title}: sample {index}, seed {variant.seed}, epoch {variant.epoch}"
    return name if variant.augment else f"{name}, not augmented"
