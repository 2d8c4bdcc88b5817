"""Where a browser finds the pictures and the pages of the variants of an image's sample."""

from dataclasses import dataclass

from sampler.wire.spec import ServiceSpec
from service.explorer.sample.layer_choice import text_of_layers
from service.explorer.shell.links import named, pins, query
from service.explorer.side_by_side.variants import Variant


@dataclass(frozen=True, slots=True)
class VariantUrls:
    """The URLs of the variants of an image's sample.

    Attributes:
        root: The path under which a proxy serves the server; every URL begins with it.
        spec: Of the dataset.
        index: Of the image.
        layers: Names of the layers that the pages show; None for their usual ones.
    """

    root: str
    spec: ServiceSpec
    index: int
    layers: tuple[str, ...] | None = None

    def layer(self, variant: Variant, name: str) -> str:
        """Return the URL of the picture of a layer."""
        return f"{self._base(variant)}/layers/{name}{self._query(variant)}"

    def thumbnail(self, variant: Variant) -> str:
        """Return the URL of a small picture of a sample."""
        return f"{self._base(variant)}/thumbnail{self._query(variant)}"

    def page(self, variant: Variant) -> str:
        """Return the URL of the page of a sample; "" if it has none, because it is made with another config."""
        if not variant.is_served:
            return ""
        layers = {"layers": text_of_layers(self.layers)}
        return f"{self.root}/explore/{self.index}{query(named(self.spec) | variant.parameters() | layers)}"

    def _base(self, variant: Variant) -> str:
        """Return the path of a sample. Pictures of served samples are those of other pages, and cached with them."""
        return f"{self.root}/{'explore' if variant.is_served else 'compare'}/{self.index}"

    def _query(self, variant: Variant) -> str:
        """Return the query, with what a browser must know to cache the picture for good."""
        return query(named(self.spec) | variant.parameters() | pins(self.spec))
