"""Plans cut batches into runs that cover them, bounded in samples and bytes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sampler.arrays import LAYOUTS, Layout
from sampler.config.presets import preset
from sampler.stream.keys import SampleKey
from sampler.stream.substitutes import Substitutes
from sampler.wire.messages import Header
from sampler.wire.sample_writer import largest_message
from service.batches.plan import DECODED_RUNS, STORED_RUNS, Planner, RunLimits
from service.batches.selection import Batch

CONFIG = preset("cornernet")
BOX_COUNTS = (0, 1, 3, 93, 500)
BOX_STARTS = np.cumsum([0, *BOX_COUNTS])
PLANNER = Planner(CONFIG, 80, BOX_STARTS, 2)


@given(
    st.lists(st.integers(0, len(BOX_COUNTS) - 1), min_size=1, max_size=80),
    st.sampled_from(LAYOUTS),
    st.sampled_from([DECODED_RUNS, STORED_RUNS]),
)
def test_runs_cover_the_batch_in_order_and_stay_within_their_bounds(
    indices: list[int], layout: Layout, limits: RunLimits
) -> None:
    planner = Planner(CONFIG, 80, BOX_STARTS, 2, limits=limits)
    keys = tuple(SampleKey(1, 0, index) for index in indices)
    plan = planner.plan(Batch(Header("d", layout, True, len(keys), None), keys))
    assert [place for run in plan for place in range(run.start, run.stop)] == list(range(len(keys)))
    assert [run.number for run in plan] == list(range(len(plan)))
    for run in plan:
        size = sum(largest_message(layout, CONFIG, 80, BOX_COUNTS[keys[place].index])
                   for place in range(run.start, run.stop))  # fmt: skip
        assert run.max_bytes == size <= planner.largest_run
        assert run.stop - run.start == 1 or (size <= limits.bytes and run.stop - run.start <= limits.samples)


@given(st.lists(st.integers(0, len(BOX_COUNTS) - 1), min_size=1, max_size=12), st.sampled_from(LAYOUTS))
def test_an_unusable_image_takes_the_room_of_its_substitute(indices: list[int], layout: Layout) -> None:
    substitutes = Substitutes((0, 2, 3), len(BOX_COUNTS))
    planner = Planner(CONFIG, 80, BOX_STARTS, 2, substitutes)
    keys = tuple(SampleKey(1, 0, index) for index in indices)
    sizes = [largest_message(layout, CONFIG, 80, BOX_COUNTS[substitutes.image_of(key)]) for key in keys]
    plan = planner.plan(Batch(Header("d", layout, True, len(keys), None), keys))
    assert [run.max_bytes for run in plan] == [sum(sizes[run.start : run.stop]) for run in plan]


def test_a_batch_from_the_decoded_store_is_cut_into_half_as_many_runs() -> None:
    keys = tuple(SampleKey(1, 0, 0) for _ in range(48))
    batch = Batch(Header("d", "compact", True, len(keys), None), keys)
    saccade = preset("cornernet_saccade")
    runs = [len(Planner(saccade, 80, BOX_STARTS, 2, limits=one).plan(batch)) for one in (DECODED_RUNS, STORED_RUNS)]
    assert runs == [4, 2]


def test_a_small_batch_is_spread_over_all_workers() -> None:
    keys = tuple(SampleKey(1, 0, 0) for _ in range(16))
    batch = Batch(Header("d", "compact", True, len(keys), None), keys)
    for limits in (DECODED_RUNS, STORED_RUNS):
        assert len(Planner(CONFIG, 80, BOX_STARTS, 8, limits=limits).plan(batch)) >= 8


def test_the_largest_run_is_that_of_the_image_with_most_boxes_in_the_largest_layout() -> None:
    assert PLANNER.largest_run == largest_message("sparse", CONFIG, 80, 500)
