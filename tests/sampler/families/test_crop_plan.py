"""The rows that a plan names are all that its crop reads of an image."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampler.config.presets import PRESETS
from sampler.families.crop_plan import CropPlan, Window
from sampler.kernels.compiled.kernels import COMPILED
from sampler.kernels.interface import Kernels
from sampler.kernels.reference import REFERENCE
from sampler.sample.sample import fill_sample, plan_sample
from sampler.stream.keys import SampleKey
from tests.support.laws import Pictures

PICTURES = Pictures()


@pytest.mark.parametrize("kernels", [REFERENCE, COMPILED])
@pytest.mark.parametrize("name", sorted(PRESETS))
@given(index=st.integers(0, len(PICTURES) - 1), epoch=st.integers(0, 1000), augment=st.booleans())
def test_a_crop_depends_on_no_row_outside_those_that_its_plan_names(
    name: str, kernels: Kernels, index: int, epoch: int, augment: bool
) -> None:
    planned = plan_sample(PICTURES, PRESETS[name], SampleKey(7, epoch, index), augment)
    image = PICTURES.read(index)
    start, stop = planned.rows
    assert 0 <= start <= stop <= image.shape[0]
    other = 255 - image
    other[start:stop] = image[start:stop]
    from_image = fill_sample(image, planned.plan, planned.recipe, PRESETS[name], kernels)
    from_other = fill_sample(other, planned.plan, planned.recipe, PRESETS[name], kernels)
    assert np.array_equal(from_image.crop, from_other.crop)


@given(
    height=st.integers(1, 9000), scaled=st.integers(1, 16000), start=st.integers(0, 15999), count=st.integers(1, 400)
)
def test_named_rows_include_every_row_that_is_blended(height: int, scaled: int, start: int, count: int) -> None:
    start = min(start, scaled - 1)
    stop = min(start + count, scaled)
    window = Window((start, stop), (0, 1), (0, 0))
    plan = CropPlan(np.zeros((0, 5), np.float32), np.zeros(0, bool), np.zeros(0, int), (scaled, 1), window, None, False)
    exact = ((np.arange(start, stop) + 0.5) * (1.0 / (scaled / height)) - 0.5).astype(np.float32)
    first = np.clip(np.floor(exact).astype(int), 0, height - 1)
    named = plan.source_rows(height)
    assert named[0] <= first.min()
    assert named[1] > min(first.max() + 1, height - 1)
    assert named[1] - named[0] <= first.max() - first.min() + 5


def test_a_crop_of_a_few_rows_names_a_few_rows() -> None:
    window = Window((1000, 1010), (0, 8), (0, 0))
    plan = CropPlan(np.zeros((0, 5), np.float32), np.zeros(0, bool), np.zeros(0, int), (2000, 8), window, None, False)
    assert plan.source_rows(4000) == (1999, 2021)
    assert plan.source_rows(1) == (0, 1)


def test_a_crop_of_nothing_names_no_rows() -> None:
    window = Window((5, 5), (0, 8), (0, 0))
    plan = CropPlan(np.zeros((0, 5), np.float32), np.zeros(0, bool), np.zeros(0, int), (20, 8), window, None, False)
    assert plan.source_rows(40) == (0, 0)
