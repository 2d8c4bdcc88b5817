"""The state of the page of a changed config, which is in its URL."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from service.explorer.config_changes.changes import Changes
from service.explorer.sample.layer_choice import text_of_layers
from service.explorer.shell.links import named, query
from service.explorer.side_by_side.variants import Variant, changes_text
from service.lifespan.state import ServedDataset


@dataclass(frozen=True, slots=True)
class WhatIfState:
    """The state of the page.

    Attributes:
        dataset: The dataset.
        index: Of the image.
        served: The served sample.
        changes: Changes of the served config.
        layers: Names of the layers that are shown; None for those that a config changes.
    """

    dataset: ServedDataset
    index: int
    served: Variant
    changes: Changes
    layers: tuple[str, ...] | None = None

    @property
    def changed(self) -> Variant:
        """The sample that the changed config makes."""
        return replace(self.served, changes=changes_text(self.changes.parameters))

    def query(self, changes: Mapping[str, str] | None = None) -> str:
        """Return the query of its URL, with the question mark. changes: other ones, as in `Changes.parameters`."""
        values = named(self.dataset.spec) | {"index": self.index} | self.served.parameters()
        values["layers"] = text_of_layers(self.layers)
        return query(values | dict(self.changes.parameters if changes is None else changes))
