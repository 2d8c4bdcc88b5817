"""The layers that the crops of two samples have."""

from collections.abc import Iterable, Mapping
from typing import Any

from service.explorer.sample.layer_choice import BOXES, CROP, INPUT

Facts = Mapping[str, Any]
"""The facts of a `service.explorer.sample.contents.SampleContents`."""


def layers_of(samples: Iterable[Facts]) -> dict[str, dict[str, Any]]:
    """Return the layers of the crops of samples, by name, from bottom to top; those of any sample, without boxes."""
    return {layer["name"]: layer for facts in samples for layer in facts["layers"] if layer["place"] == CROP}


def telling_layers(samples: Iterable[Facts]) -> tuple[str, ...]:
    """Return the layers that show what a config changes: input, heatmaps and masks, and boxes."""
    targets = [name for name, layer in layers_of(samples).items() if layer["swatch"] not in ("", "attention")]
    return (INPUT, *targets, BOXES)
