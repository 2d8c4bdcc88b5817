"""Where the links of the page of two samples lead."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

from sampler.stream.keys import EPOCH_LIMIT
from service.explorer.compare.state import DEFAULT_LAYERS, EPOCHS, CompareState
from service.explorer.sample.layer_choice import text_of_layers
from service.explorer.sample.layer_names import known_layers
from service.explorer.shell.links import key_parameters, query
from service.explorer.side_by_side.neighbours import NeighbourLinks
from service.explorer.side_by_side.variants import SERVED, Variant, fitting_variant, named_configs
from service.lifespan.state import ServedDataset


@dataclass(frozen=True, slots=True)
class CompareLinks(NeighbourLinks):
    """The links of the page. All but `what_if` lead to the page itself in another state.

    Attributes:
        root: The path under which a proxy serves the server; every link begins with it.
        dataset: The dataset of the page.
        datasets: All datasets of the server.
        state: The state of the page.
    """

    root: str
    dataset: ServedDataset
    datasets: Sequence[ServedDataset]
    state: CompareState

    def image(self, by: int) -> str:
        return self._page(replace(self.state, index=(self.state.index + by) % self.dataset.spec.size))

    @property
    def next_seed(self) -> str:
        """The left sample next to that of the next seed."""
        return self.right(self.state.left.next_seed())

    @property
    def next_epoch(self) -> str:
        """The left sample next to that of the next epoch."""
        return self.right(self.state.left.next_epoch())

    @property
    def augmentation_off(self) -> str:
        """The left sample next to the one without augmentation."""
        return self.right(replace(self.state.left, augment=False))

    @property
    def swap(self) -> str:
        """The right sample on the left, and the left one on the right."""
        return self._page(self.state.swapped())

    @property
    def earlier_epochs(self) -> str | None:
        """The epochs before those of the strip; None at the first one."""
        start = self.state.strip_start
        return self._page(replace(self.state, first_epoch=max(0, start - EPOCHS))) if start else None

    @property
    def later_epochs(self) -> str | None:
        """The epochs after those of the strip; None at the last one."""
        start = self.state.strip_start + EPOCHS
        return self._page(replace(self.state, first_epoch=start)) if start < EPOCH_LIMIT else None

    @property
    def what_if(self) -> str:
        """The page that changes the served config, with the changes of one of the samples."""
        state, right = self.state, self.state.right
        variant = right if right.changes else state.left
        key = key_parameters(variant.seed, variant.epoch, augment=variant.augment)
        changes = dict(parse_qsl(variant.changes)) if variant.config == SERVED else {}
        layers = text_of_layers(known_layers(state.chosen_layers, self.dataset.spec))
        values = {"dataset": state.dataset, "index": state.index, **key, "layers": layers, **changes}
        return f"{self.root}/what-if{query(values)}"

    def right(self, variant: Variant) -> str:
        """Return the link to the left sample next to a variant."""
        return self._page(replace(self.state, right=variant))

    def layers(self, layers: tuple[str, ...]) -> str:
        """Return the link to the page with these layers."""
        return self._page(replace(self.state, layers=layers))

    def zoom(self, zoom: int) -> str:
        """Return the link to the page with this zoom."""
        return self._page(replace(self.state, zoom=zoom))

    def in_datasets(self) -> Iterator[tuple[str | None, str, bool]]:
        """Yield for each dataset its name, the link to the page there, and whether it is that of the page.

        A dataset with fewer images has its last one, and a sample has the served config if the dataset lacks its own.
        """
        for one in self.datasets:
            configs = named_configs(one, self.datasets)
            left, right = (fitting_variant(variant, configs) for variant in (self.state.left, self.state.right))
            name, index = one.spec.dataset_name, min(self.state.index, one.spec.size - 1)
            layers = known_layers(self.state.chosen_layers, one.spec, configs.values())
            there = replace(
                self.state, dataset=name, index=index, left=left, right=right,
                layers=DEFAULT_LAYERS if layers is None else layers,
            )  # fmt: skip
            yield name, self._page(there), one is self.dataset

    def _page(self, state: CompareState) -> str:
        return f"{self.root}/compare{state.query()}"
