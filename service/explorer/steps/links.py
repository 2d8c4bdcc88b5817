"""Where the links of the page of a step lead."""

from dataclasses import dataclass

from sampler.stream.keys import SampleKey
from sampler.stream.places import StreamPlace
from sampler.wire.spec import ServiceSpec
from service.explorer.shell.links import chosen, key_parameters, named, pins, query
from service.explorer.steps.parameters import Direction, StepParameters
from service.explorer.steps.stream import StepSample


@dataclass(frozen=True, slots=True)
class StepLinks:
    """The links of the page of a step. root: the path under which a proxy serves the server."""

    root: str
    spec: ServiceSpec
    parameters: StepParameters

    def page(self, place: StreamPlace, **changes: object) -> str:
        """Return the page from a place on, with other values of some parameters."""
        first = {"first": place.number or None}
        return f"{self.root}/steps/{place.step}{query(self._same | changes | first)}"

    def search(self, place: StreamPlace) -> str:
        """Return the query that names a search from a place on."""
        start = {"step": place.step, "first": place.number or None}
        return query(self._same | start).removeprefix("?")

    def sample(self, sample: StepSample, search: str | None, layers: str | None = None) -> str:
        """Return the page of a sample, which leads to its neighbours in the stream.

        Args:
            sample: The sample.
            search: The query of the search that found it, if any, to whose matches the page then leads, too.
            layers: Names of the layers that the page shows, with commas; None for the usual ones.
        """
        return self._sample(sample.key, sample.place, search, layers)

    def back(self, place: StreamPlace) -> str:
        """Return the page of the sample at a place, which leads back to a search from the start of its step on."""
        key = place.key(self.spec.size, self.parameters.seed)
        return self._sample(key, place, self.search(StreamPlace(place.step, place.shard, 0)))

    def match(self, place: StreamPlace, direction: Direction, search: str) -> str:
        """Return the link to the match of a search before or after a place."""
        key = place.key(self.spec.size, self.parameters.seed)
        return f"{self.root}/explore/{key.index}/{direction}-match{query(self._key(key) | {'search': search})}"

    def thumbnail(self, sample: StepSample) -> str:
        """Return the thumbnail of a sample."""
        return f"{self.root}/explore/{sample.key.index}/thumbnail{query(self._key(sample.key) | pins(self.spec))}"

    @property
    def _same(self) -> dict[str, object]:
        """The parameters that links to other places keep."""
        own = self.parameters
        kept = named(self.spec) | {"seed": own.seed, "batch_size": own.batch_size} | chosen(own)
        return kept | {"samples": None, "missing": None}

    def _sample(self, key: SampleKey, place: StreamPlace, search: str | None, layers: str | None = None) -> str:
        values = self._key(key) | self._place(place) | {"layers": layers, "search": search}
        return f"{self.root}/explore/{key.index}{query(values)}"

    def _place(self, place: StreamPlace) -> dict[str, object]:
        """Return the parameters that place a sample in its step, unless the step is too large for one request."""
        shard = place.shard
        if shard.count > self.spec.max_batch:
            return {}
        values: dict[str, object] = {"step": place.step, "batch_size": shard.batch_size}
        return (
            values | {"rank": shard.rank, "world_size": shard.world_size} if self.parameters.is_of_one_rank else values
        )

    def _key(self, key: SampleKey) -> dict[str, object]:
        return named(self.spec) | key_parameters(key.seed, key.epoch, augment=self.parameters.augment)
