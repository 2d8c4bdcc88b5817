"""The search that found a sample, as the page of the sample names it, and the samples of that search around it."""

from dataclasses import dataclass
from typing import Literal, Self
from urllib.parse import parse_qsl

from pydantic import ValidationError

from sampler.errors import InvalidRequestError
from sampler.stream.keys import SampleKey
from sampler.stream.places import StreamPlace
from service.explorer.steps.parameters import SearchParameters, StepParameters
from service.explorer.steps.ranges import following, preceding

Direction = Literal["previous", "next"]


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
        """Return the search with a query. Raises `InvalidRequestError`."""
        try:
            values = SearchParameters.model_validate(dict(parse_qsl(text)))
        except ValidationError as error:
            fields = ", ".join(str(one["loc"][0]) for one in error.errors())
            raise InvalidRequestError("search", text, f"the query of a page of steps, with a valid {fields}") from error
        return cls(text, values.step, StepParameters.model_validate(values.model_dump(exclude={"step"})))

    def place(self, key: SampleKey, size: int, *, augment: bool) -> StreamPlace:
        """Return the place of a sample in the stream that is searched.

        size: N, the number of images. Raises `InvalidRequestError` for a sample that is not searched.
        """
        own = self.parameters
        place = StreamPlace.of(key, size, own.shard) if (own.seed, own.augment) == (key.seed, augment) else None
        if place is None or (own.one_step and place.step != self.step):
            raise InvalidRequestError("search", self.text, f"a search of the stream of sample {key.index}")
        return place

    def numbers(self, place: StreamPlace, direction: Direction) -> range:
        """Return the samples before or after a place that one search looks at."""
        look = following if direction == "next" else preceding
        return look(place, one_step=self.parameters.one_step)
