"""Where the links of the page of images lead."""

from dataclasses import dataclass

from sampler.wire.spec import ServiceSpec
from service.explorer.images.parameters import ImageListParameters
from service.explorer.shell.links import chosen, named, pins, query


@dataclass(frozen=True, slots=True)
class ImageLinks:
    """The links of the page of images. root: the path under which a proxy serves the server."""

    root: str
    spec: ServiceSpec
    parameters: ImageListParameters

    def page(self, first: int | None = 0, **changes: object) -> str | None:
        """Return the link to the images from an index on, with other values of some parameters; None for no index."""
        if first is None:
            return None
        kept = named(self.spec) | chosen(self.parameters) | changes
        return f"{self.root}/images{query(kept | {'first': first or None})}"

    def only(self, **parameters: object) -> str:
        """Return the link to the images that one filter finds."""
        return f"{self.root}/images{query(named(self.spec) | parameters)}"

    def sample(self, index: int) -> str:
        """Return the link to the page of an image's sample."""
        return f"{self.root}/explore/{index}{query(named(self.spec))}"

    def thumbnail(self, index: int) -> str:
        """Return the link to the thumbnail of an image."""
        return f"{self.root}/images/{index}/thumbnail{query(named(self.spec) | pins(self.spec))}"
