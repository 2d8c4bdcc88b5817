"""Where the links of the page of a changed config lead."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from service.explorer.compare.state import DEFAULT_LAYERS, CompareState
from service.explorer.config_changes.changes import fitting_changes
from service.explorer.sample.layer_names import known_layers
from service.explorer.side_by_side.neighbours import NeighbourLinks
from service.explorer.side_by_side.variants import Variant
from service.explorer.what_if.state import WhatIfState
from service.lifespan.state import ServedDataset


@dataclass(frozen=True, slots=True)
class WhatIfLinks(NeighbourLinks):
    """The links of the page. All but `file` and `compare` lead to the page itself in another state.

    Attributes:
        root: The path under which a proxy serves the server; every link begins with it.
        datasets: All datasets of the server.
        state: The state of the page.
    """

    root: str
    datasets: Sequence[ServedDataset]
    state: WhatIfState

    def image(self, by: int) -> str:
        state = self.state
        return self._page(replace(state, index=(state.index + by) % state.dataset.spec.size).query())

    @property
    def next_seed(self) -> str:
        """The sample of the next seed."""
        return self._sample(self.state.served.next_seed())

    @property
    def next_epoch(self) -> str:
        """The sample of the next epoch."""
        return self._sample(self.state.served.next_epoch())

    @property
    def without_changes(self) -> str:
        """The page without any change."""
        return self._page(self.state.query({}))

    @property
    def file(self) -> str:
        """The file with the changed config."""
        return f"{self.root}/what-if/config.json{self.state.query()}"

    @property
    def compare(self) -> str:
        """The page that compares both samples."""
        state = self.state
        layers = DEFAULT_LAYERS if state.layers is None else state.layers
        compared = CompareState(state.dataset.spec.dataset_name, state.index, state.served, state.changed, layers)
        return f"{self.root}/compare{compared.query()}"

    def without(self, field: str) -> str:
        """Return the link to the page without the change of a field."""
        return self._page(self.state.query(self.state.changes.without(field)))

    def layers(self, layers: tuple[str, ...]) -> str:
        """Return the link to the page with these layers."""
        return self._page(replace(self.state, layers=layers).query())

    def in_datasets(self) -> Iterator[tuple[str | None, str, bool]]:
        """Yield for each dataset its name, the link to the page there, and whether it is that of the page.

        A dataset with fewer images has its last one, and only the changes that its config can have.
        """
        for one in self.datasets:
            layers = known_layers(self.state.layers, one.spec)
            there = replace(self.state, dataset=one, index=min(self.state.index, one.spec.size - 1), layers=layers)
            changes = fitting_changes(one.spec.config, self.state.changes.parameters)
            yield one.spec.dataset_name, self._page(there.query(changes)), one is self.state.dataset

    def _sample(self, served: Variant) -> str:
        return self._page(replace(self.state, served=served).query())

    def _page(self, query: str) -> str:
        return f"{self.root}/what-if{query}"
