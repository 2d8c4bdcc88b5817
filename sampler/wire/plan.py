"""What follows from an array table for a reader: worked out once for all batches of a server."""

from dataclasses import dataclass
from functools import lru_cache

from sampler.array_table import array_table, largest_sample
from sampler.arrays import LAYOUTS, ArraySpec, Layout
from sampler.config.schema import SamplerConfig
from sampler.layouts.batch_buffer import buffer_size
from sampler.wire.fast_path import Slot, slots_of


@dataclass(frozen=True, slots=True, eq=False)
class WirePlan:
    """How batches of one layout are read.

    table: all arrays of a sample. fixed: those of fixed shape. slots: how each array is written. row_bytes: of one
    sample's array, by name, for arrays of fixed shape; one: of all these of one sample together, with alignment.
    largest: bytes of the arrays of a sample of `max_objects` boxes, in whichever layout has most.
    """

    table: tuple[ArraySpec, ...]
    fixed: tuple[ArraySpec, ...]
    slots: tuple[Slot, ...]
    row_bytes: dict[str, int]
    one: int
    largest: int


@lru_cache(maxsize=64)
def wire_plan(config: SamplerConfig, categories: int, layout: Layout) -> WirePlan:
    """Return the plan. categories: C, the dataset's category count. Raises `InvalidRequestError` for no layout."""
    table = array_table(layout, config, categories)
    alike = tuple(spec for spec in table if spec.is_fixed)
    return WirePlan(
        table=table,
        fixed=alike,
        slots=slots_of(table),
        row_bytes={spec.name: spec.nbytes for spec in alike},
        one=buffer_size(alike, 1),
        largest=max(largest_sample(name, config, categories) for name in LAYOUTS),
    )
