"""The parameters of the page of a step."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from sampler.errors import InvalidRequestError
from sampler.stream.shards import Shard
from sampler.survey.sample_filter import SampleFilter
from sampler.wire.spec import ServiceSpec
from service.batches.parameters import (
    FROM_URL,
    STRICT,
    Augment,
    BatchSize,
    Epoch,
    Flag,
    PinnedParameters,
    Rank,
    Seed,
    Step,
    WorldSize,
)
from service.explorer.shell.categories import category_number
from service.explorer.shell.parameters import (
    BATCH_SIZE,
    BoxSize,
    BoxState,
    CategoryText,
    LeastSide,
    SideBelow,
    check_range,
)
from service.explorer.steps.ranges import SEARCHED, at_positions, common

FILTERS = ("state", "size", "min_side", "side_below", "untagged", "cut_off", "crowd", "empty")
"""The parameters that are fields of a `SampleFilter`; it also has the number of the category."""


Direction = Literal["previous", "next"]
"""Which match of a search around a sample."""

Positions = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,18})-(0|[1-9][0-9]{0,18})$")]


class StepParameters(PinnedParameters):
    """A step of a stream, or the samples from there on that match a filter."""

    seed: Seed = 0
    batch_size: BatchSize = BATCH_SIZE
    rank: Annotated[Rank | None, Field(description="show only the samples of this rank")] = None
    world_size: WorldSize | None = None
    augment: Augment = True
    first: Annotated[int, STRICT, Field(ge=0), FROM_URL, Field(description="samples of the step that are left out")] = 0
    samples: Annotated[
        int, STRICT, Field(ge=1, le=SEARCHED), FROM_URL, Field(description="search at most as many samples")
    ] = SEARCHED
    one_step: Annotated[Flag, Field(description="search this step alone")] = False
    epoch: Annotated[Epoch | None, Field(description="search this epoch alone, from its start on")] = None
    positions: Annotated[
        Positions | None, Field(description="search these positions of the stream alone, such as `768-1023`")
    ] = None
    missing: Annotated[
        Direction | None, Field(description="the match that was not found: the page leads back to its sample")
    ] = None
    category: CategoryText = None
    state: BoxState = None
    size: BoxSize = None
    min_side: LeastSide = None
    side_below: SideBelow = None
    untagged: Annotated[Flag, Field(description="the box is an object without tags")] = False
    cut_off: Annotated[Flag, Field(description="the box is cut off by the crop")] = False
    crowd: Annotated[Flag, Field(description="the box is a crowd box")] = False
    empty: Annotated[Flag, Field(description="the sample has no objects")] = False

    @property
    def shard(self) -> Shard:
        """The part of each step that is shown. Raises `InvalidRequestError`."""
        if self.rank and self.world_size is None:
            raise InvalidRequestError("rank", self.rank, "less than world_size, which is 1; give world_size, too")
        return Shard(self.batch_size, self.rank or 0, self.world_size or 1)

    @property
    def is_of_one_rank(self) -> bool:
        """Whether only the samples of one rank are shown: the first unless it is named, as elsewhere."""
        return self.rank is not None or self.world_size is not None

    @property
    def is_search(self) -> bool:
        """Whether a filter, or a part of the stream, is asked for."""
        return any(getattr(self, name) not in (None, False) for name in (*FILTERS, "category", "epoch", "positions"))

    def within(self, size: int) -> range | None:
        """Return the numbers of the rank's samples to which a search is limited; None if it is not.

        size: N, the number of images. Raises `InvalidRequestError` if there are none.
        """
        found = None
        if self.epoch is not None:
            found = self._numbers("epoch", range(self.epoch * size, (self.epoch + 1) * size))
        if self.positions is not None:
            first, last = map(int, self.positions.split("-"))
            numbers = self._numbers("positions", range(first, last + 1))
            found = numbers if found is None else common(found, numbers)
        if found is not None and not found:
            raise InvalidRequestError("positions", self.positions, f"positions in epoch {self.epoch}")
        return found

    def _numbers(self, field: str, positions: range) -> range:
        numbers = at_positions(positions, self.shard)
        if not numbers:
            value = getattr(self, field)
            raise InvalidRequestError(field, value, "a part of the stream with samples of this rank")
        return numbers


class SearchParameters(StepParameters):
    """A search, as the page of a sample that it found names it."""

    step: Step = 0


def sample_filter(parameters: StepParameters, spec: ServiceSpec) -> SampleFilter:
    """Return the filter that parameters ask for. Raises `InvalidRequestError`."""
    check_range(("min_side", parameters.min_side), ("side_below", parameters.side_below), below=True)
    fields = {name: getattr(parameters, name) for name in FILTERS}
    return SampleFilter(**fields | {"category": category_number(spec, parameters.category)})
