"""A sample as the pages show it: the layers of its crop, its boxes, and its counts."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.errors.problems import ServiceError
from service.explorer.sample.layer_choice import BOXES, CROP, INPUT
from service.explorer.sample.overlay import BoxShape, box_shapes

Facts = Mapping[str, Any]
"""The facts of a `service.explorer.sample.contents.SampleContents`."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A sample as the templates show it.

    Attributes:
        title: Of its card.
        name: The sample in words.
        side: Of the crop in pixels.
        layers: Those of the facts that are shown, from bottom to top, with their URLs.
        shapes: Its boxes in the crop, largest first; None if they are not shown.
        counts: Of its boxes.
        problem: Why the sample cannot be shown; "" if it can.
    """

    title: str
    name: str
    side: int
    layers: tuple[dict[str, Any], ...]
    shapes: tuple[BoxShape, ...] | None
    counts: dict[str, int]
    problem: str = ""

    @property
    def summary(self) -> str:
        """The counts in words."""
        return ", ".join(f"{count} {name}" for name, count in self.counts.items())


def layers_of(samples: Iterable[Facts]) -> dict[str, dict[str, Any]]:
    """Return the layers of the crops of samples, by name, from bottom to top; those of any sample, without boxes."""
    return {layer["name"]: layer for facts in samples for layer in facts["layers"] if layer["place"] == CROP}


def telling_layers(samples: Iterable[Facts]) -> tuple[str, ...]:
    """Return the layers that show what a config changes: input, heatmaps and masks, and boxes."""
    targets = [name for name, layer in layers_of(samples).items() if layer["swatch"] not in ("", "attention")]
    return (INPUT, *targets, BOXES)


def show_sample(
    title: str, name: str, made: Facts | ServiceError, layers: Sequence[str], url: Callable[[str], str]
) -> Shown:
    """Return a sample for a template.

    Args:
        title: Of its card.
        name: The sample in words.
        made: The facts about the sample, or why it cannot be made.
        layers: Names of the layers to show.
        url: Returns the URL of the picture of a layer.
    """
    if isinstance(made, ServiceError):
        return Shown(title, name, 0, (), None, {}, str(made))
    side = int(made["side"])
    shown = [layer | {"url": url(layer["name"])} for layer in layers_of([made]).values() if layer["name"] in layers]
    shapes = tuple(box_shapes(made["boxes"], CROP, (0, 0, side, side))) if BOXES in layers else None
    return Shown(title, name, side, tuple(shown), shapes, dict(made["counts"]))
