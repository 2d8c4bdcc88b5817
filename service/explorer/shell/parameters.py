"""The parameters that several pages have, and their defaults."""

from typing import Annotated

from pydantic import Field, StringConstraints

from sampler.errors import InvalidRequestError
from sampler.survey.sample_filter import Size, State

BATCH_SIZE = 48
"""Samples of a step if nothing is said: the batch of the published training."""

CategoryText = Annotated[
    Annotated[str, StringConstraints(min_length=1, max_length=200)] | None,
    Field(description="a box has this category: its name or COCO id"),
]
BoxSize = Annotated[Size | None, Field(description="a box has this size by its area, as COCO defines it")]
Side = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
LeastSide = Annotated[Side | None, Field(description="a box has a longer side of at least as many pixels")]
SideBelow = Annotated[Side | None, Field(description="a box has a longer side of less than as many pixels")]
BoxState = Annotated[State | None, Field(description="what became of a box; by default anything but `outside`")]


def check_range(least: tuple[str, float | None], limit: tuple[str, float | None], *, below: bool) -> None:
    """Raise `InvalidRequestError` if no number is in a range. Both ends: the parameter with its value, None for none.

    below: whether numbers must be below the limit; otherwise they may reach it.
    """
    (name, start), (field, stop) = least, limit
    if start is not None and stop is not None and (stop <= start if below else stop < start):
        raise InvalidRequestError(field, stop, f"{'more than' if below else 'at least'} {name}, which is {start:g}")
