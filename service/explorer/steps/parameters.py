"""The parameters of the page of a step."""

from typing import Annotated

from pydantic import Field

from sampler.stream.shards import Shard
from sampler.survey.sample_filter import SampleFilter
from sampler.wire.spec import ServiceSpec
from service.batches.parameters import (
    FROM_URL,
    STRICT,
    Augment,
    BatchSize,
    Flag,
    PinnedParameters,
    Rank,
    Seed,
    Step,
    WorldSize,
)
from service.explorer.shell.categories import category_number
from service.explorer.shell.parameters import BATCH_SIZE, BoxSize, BoxState, CategoryText, LeastSide, SideBelow
from service.explorer.steps.ranges import SEARCHED

FILTERS = ("state", "size", "min_side", "side_below", "untagged", "cut_off", "crowd", "empty")
"""The parameters that are fields of a `SampleFilter`; it also has the number of the category."""


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
        return Shard(self.batch_size, self.rank or 0, self.world_size or 1)

    @property
    def is_of_one_rank(self) -> bool:
        """Whether only the samples of one rank are shown: the first unless it is named, as elsewhere."""
        return self.rank is not None or self.world_size is not None


class SearchParameters(StepParameters):
    """A search, as the page of a sample that it found names it."""

    step: Step = 0


def sample_filter(parameters: StepParameters, spec: ServiceSpec) -> SampleFilter:
    """Return the filter that parameters ask for. Raises `InvalidRequestError` for an unknown category."""
    fields = {name: getattr(parameters, name) for name in FILTERS}
    return SampleFilter(**fields | {"category": category_number(spec, parameters.category)})
