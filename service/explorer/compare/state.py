"""The state of the page of two samples, which is in its URL."""

from dataclasses import dataclass, replace

from service.explorer.sample.layer_choice import BOXES, CROP, text_of_layers
from service.explorer.shell.links import query
from service.explorer.side_by_side.variants import Variant

ZOOMS = (1, 2, 4)

EPOCHS = 12
"""Epochs of the strip."""

DEFAULT_LAYERS = (CROP, BOXES)


@dataclass(frozen=True, slots=True)
class CompareState:
    """The state of the page.

    Attributes:
        dataset: Name of the dataset; None if the server's only one has none.
        index: Of the image, which is that of both keys.
        left: The sample on the left.
        right: The sample on the right.
        layers: Names of the layers of both that are shown.
        zoom: One of `ZOOMS`.
        first_epoch: Of the strip; None for the one that has the left sample's epoch.
    """

    dataset: str | None
    index: int
    left: Variant
    right: Variant
    layers: tuple[str, ...] = DEFAULT_LAYERS
    zoom: int = 1
    first_epoch: int | None = None

    @property
    def chosen_layers(self) -> tuple[str, ...] | None:
        """The layers as other pages take them: None for the usual ones."""
        return None if self.layers == DEFAULT_LAYERS else self.layers

    @property
    def strip_start(self) -> int:
        """The first epoch of the strip."""
        return self.left.epoch // EPOCHS * EPOCHS if self.first_epoch is None else self.first_epoch

    def query(self) -> str:
        """Return the query of its URL, with the question mark."""
        variants = self.left.parameters("left_") | self.right.parameters("right_")
        view = {
            "layers": text_of_layers(self.chosen_layers),
            "zoom": None if self.zoom == 1 else self.zoom,
            "first_epoch": self.first_epoch,
        }
        return query({"dataset": self.dataset, "index": self.index} | variants | view)

    def swapped(self) -> "CompareState":
        """Return the state with left and right swapped."""
        return replace(self, left=self.right, right=self.left)
