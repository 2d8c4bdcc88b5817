"""The search that found a sample, as the page of the sample names it, and the samples of that search around it."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qsl

from pydantic import ValidationError

from sampler.errors import InvalidRequestError
from sampler.stream.keys import SampleKey
from sampler.stream.places import StreamPlace
from sampler.wire.spec import ServiceSpec
from service.batches.selection import check_pins
from service.explorer.steps.parameters import Direction, SearchParameters, StepParameters, sample_filter
from service.explorer.steps.ranges import around, following, preceding


@dataclass(frozen=True, slots=True)
class Search:
    """A search of a stream.

    Attributes:
        text: The query that names it: that of its page, with `step`.
        step: Where it began.
        parameters: The others of the query.
    """

    text: str
    step: int
    parameters: StepParameters

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the search with a query. Raises `InvalidRequestError` for what the page of the search refuses."""
        try:
            values = SearchParameters.model_validate(_values(text))
        except ValidationError as error:
            faults = ", ".join(_fault(str(one["loc"][0]), one["type"]) for one in error.errors())
            raise InvalidRequestError("search", text, f"the query of a page of steps, {faults}") from error
        if not values.is_search:
            raise InvalidRequestError("search", text, "the query of a page of steps, with a filter")
        return cls(text, values.step, StepParameters.model_validate(values.model_dump(exclude={"step"})))

    def place(self, key: SampleKey, spec: ServiceSpec, *, augment: bool) -> StreamPlace:
        """Return the place of a sample in the stream that is searched.

        Args:
            key: The key of the sample.
            spec: The spec of its dataset.
            augment: Whether it is augmented.

        Raises:
            InvalidRequestError: The search does not look at the sample, or has an invalid filter.
            ServiceError: The search names other digests (412).
        """
        own = self.parameters
        default = spec.datasets[0] if spec.datasets else None
        if (own.dataset or default) != spec.dataset_name:
            raise InvalidRequestError("search", self.text, "a search of the dataset of the sample")
        check_pins(own, spec)
        sample_filter(own, spec)
        place = StreamPlace.of(key, spec.size, own.shard) if (own.seed, own.augment) == (key.seed, augment) else None
        if place is None or not self._looks_at(place, spec.size):
            raise InvalidRequestError("search", self.text, f"a search of the stream of sample {key.index}")
        return place

    def numbers(self, place: StreamPlace, size: int, direction: Direction) -> range:
        """Return the samples before or after a place that one search looks at. size: N, the number of images."""
        own, look = self.parameters, following if direction == "next" else preceding
        return look(place, one_step=own.one_step, within=own.within(size))

    def _looks_at(self, place: StreamPlace, size: int) -> bool:
        own = self.parameters
        if own.one_step and place.step != self.step:
            return False
        return place.samples_before in around(place, one_step=own.one_step, within=own.within(size))


def _values(text: str) -> dict[str, str]:
    """Return the parameters of a query, without the fields of a form that a person left empty."""
    pairs = parse_qsl(text, keep_blank_values=True)
    values = {name: value for name, value in pairs if value or name not in SearchParameters.model_fields}
    if len(pairs) > len({name for name, _ in pairs}):
        raise InvalidRequestError("search", text, "the query of a page of steps, with each parameter once")
    return values


def _fault(field: str, kind: str) -> str:
    return f"without {field}" if kind == "extra_forbidden" else f"with a valid {field}"
