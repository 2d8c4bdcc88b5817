"""Two samples of an image as workers made them, and what the pages show of both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sampler.config_schema import SamplerConfig
from sampler.wire.problem_types import PROBLEM_TYPES
from service.errors.problems import ServiceError
from service.explorer.sample.layer_choice import BOXES, toggled
from service.explorer.side_by_side.differences import Differences, differences
from service.explorer.side_by_side.layers import Facts, layers_of
from service.explorer.side_by_side.made import Made
from service.explorer.side_by_side.shown_sample import ShownSample, show_sample
from service.explorer.side_by_side.urls import VariantUrls
from service.explorer.side_by_side.variants import Variant
from service.image_folders import ImageFolders


class LayerToggle(NamedTuple):
    """A link that shows or hides a layer of both samples.

    Attributes:
        name: Of the layer.
        title: Of the layer, for people.
        is_shown: Whether the layer is shown now.
        target: URL of the page with the layer hidden or shown.
    """

    name: str
    title: str
    is_shown: bool
    target: str


@dataclass(frozen=True, slots=True)
class Pair:
    """Two samples of an image; the first one only, if the config of the second is invalid.

    Attributes:
        variants: Which samples of the image they are.
        configs: The configs that make them.
        made: The facts about each, or why it cannot be made.
    """

    variants: tuple[Variant, ...]
    configs: tuple[SamplerConfig, ...]
    made: tuple[Made, ...]

    @property
    def facts(self) -> list[Facts]:
        """The facts of the samples that could be made."""
        return [made for made in self.made if not isinstance(made, ServiceError)]

    @property
    def file_name(self) -> str:
        """The path of the image below its folder; "" if no sample could be made."""
        return self.facts[0]["image"]["file_name"] if self.facts else ""

    @property
    def status(self) -> int:
        """The HTTP status of a page of both: that of the first problem, or 200."""
        return next((PROBLEM_TYPES[made.kind].status for made in self.made if isinstance(made, ServiceError)), 200)

    def differences(self, folders: ImageFolders) -> Differences | None:
        """Return what distinguishes the samples; None if one of them is missing. folders: of the dataset's images."""
        if len(self.facts) < 2:
            return None
        left, right = self.facts
        return differences(left, right, self.configs, folders)

    def shown(self, titles: tuple[str, str], layers: Sequence[str], urls: VariantUrls) -> list[ShownSample]:
        """Return the samples for a template. titles: of their cards. layers: names of those to show."""
        rows = zip(titles, self.variants, self.made, strict=False)
        return [show_sample(title, variant, made, layers, urls) for title, variant, made in rows]

    def toggles(self, shown: tuple[str, ...], link: Callable[[tuple[str, ...]], str]) -> list[LayerToggle]:
        """Return a link for each layer that a sample has. shown: the layers now. link: to a page with other layers."""
        titles = {name: layer["title"] for name, layer in layers_of(self.facts).items()} | {BOXES: "Boxes"}
        return [LayerToggle(name, title, name in shown, link(toggled(shown, name))) for name, title in titles.items()]
