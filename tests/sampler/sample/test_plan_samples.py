"""Planning the samples of a run before any of them is made."""

import re

import numpy as np
import pytest

from sampler.arrays import LAYOUTS, Layout
from sampler.config.presets import PRESETS
from sampler.errors import InvalidRequestError
from sampler.kernels.compiled.kernels import COMPILED
from sampler.sample.sample import plan_sample, plan_samples
from sampler.stream.keys import SampleKey
from sampler.wire.sample_writer import largest_message, write_sample
from tests.support.laws import CATEGORIES, Pictures

SACCADE = PRESETS["cornernet_saccade"]
PICTURES = Pictures()
KEYS = [SampleKey(7, 1, index) for index in range(len(PICTURES))]


class _Incomplete(Pictures):
    """Pictures of which those from the sixth on raise an error."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def size(self, index: int) -> tuple[int, int]:
        if index >= 5:
            raise self._error
        return super().size(index)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_message_written_from_a_plan_is_that_of_its_key(layout: Layout) -> None:
    memory = memoryview(bytearray(2 * largest_message(layout, SACCADE, CATEGORIES, 20)))
    half = len(memory) // 2
    for key, planned in zip(KEYS, plan_samples(PICTURES, SACCADE, KEYS, True, COMPILED), strict=True):
        expected = write_sample(memory, 3, PICTURES, SACCADE, CATEGORIES, key, layout=layout, kernels=COMPILED)
        found = write_sample(
            memory[half:], 3, PICTURES, SACCADE, CATEGORIES, key, layout=layout, kernels=COMPILED, planned=planned
        )
        assert memory[:expected] == memory[half : half + found]


@pytest.mark.parametrize(
    "error",
    [InvalidRequestError("index", 5, "0 to 4"), ZeroDivisionError("division by zero"), MemoryError("no memory")],
)
def test_samples_are_planned_up_to_the_first_that_cannot_be(error: Exception) -> None:
    incomplete = _Incomplete(error)
    plans = plan_samples(incomplete, SACCADE, KEYS, True, COMPILED)
    assert [planned.image for planned in plans] == [0, 1, 2, 3, 4]
    for key, planned in zip(KEYS, plans, strict=False):
        assert planned.recipe == plan_sample(PICTURES, SACCADE, key).recipe
        assert np.array_equal(planned.boxes, plan_sample(PICTURES, SACCADE, key).boxes)
    with pytest.raises(type(error), match=re.escape(str(error))):
        plan_sample(incomplete, SACCADE, KEYS[5], True, COMPILED)
