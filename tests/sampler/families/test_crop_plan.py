"""The region that a plan names is all that its crop reads of an image, and a part that covers it gives the crop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sampler.config.presets import PRESETS
from sampler.families.crop_plan import CropPlan, Window
from sampler.image_part import ImagePart, Region
from sampler.kernels.compiled.kernels import COMPILED
from sampler.kernels.interface import Kernels
from sampler.kernels.reference import REFERENCE
from sampler.sample.sample import fill_sample, plan_sample
from sampler.stream.keys import SampleKey
from tests.support.laws import Pictures

PICTURES = Pictures()


def part_of(image: NDArray[np.uint8], region: Region, margins: tuple[int, int, int, int] = (0, 0, 0, 0)) -> ImagePart:
    """A copy of a region and of so many more rows and columns on each side, as far as the image has them."""
    (top, bottom), (left, right) = region.rows, region.columns
    top, left = max(0, top - margins[0]), max(0, left - margins[1])
    pixels = image[top : bottom + margins[2], left : right + margins[3]].copy()
    return ImagePart(pixels, (top, left), (image.shape[0], image.shape[1]))


def plan_of(size: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int]) -> CropPlan:
    window = Window(rows, columns, (0, 0))
    return CropPlan(np.zeros((0, 5), np.float32), np.zeros(0, bool), np.zeros(0, int), size, window, None, False)


@pytest.mark.parametrize("kernels", [REFERENCE, COMPILED])
@pytest.mark.parametrize("name", sorted(PRESETS))
@given(
    index=st.integers(0, len(PICTURES) - 1), epoch=st.integers(0, 1000), augment=st.booleans(),
    margins=st.tuples(*[st.integers(0, 9)] * 4),
)  # fmt: skip
def test_a_part_that_covers_the_region_of_a_plan_gives_the_crop_of_the_whole_image(
    name: str, kernels: Kernels, index: int, epoch: int, augment: bool, margins: tuple[int, int, int, int]
) -> None:
    config = PRESETS[name]
    planned = plan_sample(PICTURES, config, SampleKey(7, epoch, index), augment)
    whole = PICTURES.read(index)
    size = whole.pixels.shape[0], whole.pixels.shape[1]
    assert Region.whole(*size).covers(planned.region)
    part = part_of(whole.pixels, planned.region, margins)
    assert part.region.covers(planned.region)
    expected = fill_sample(whole, planned.plan, planned.recipe, config, kernels)
    found = fill_sample(part, planned.plan, planned.recipe, config, kernels)
    assert found.crop.tobytes() == expected.crop.tobytes()
    assert found.colour.tobytes() == expected.colour.tobytes()


@pytest.mark.parametrize("kernels", [REFERENCE, COMPILED])
@pytest.mark.parametrize("name", ["cornernet_saccade", "cornernet"])
def test_a_part_that_lacks_an_edge_of_what_is_blended_is_refused(name: str, kernels: Kernels) -> None:
    config = PRESETS[name]
    refused = 0
    for epoch in range(20):
        planned = plan_sample(PICTURES, config, SampleKey(7, epoch, 0))
        pixels, (rows, columns) = PICTURES.read(0).pixels, (planned.region.rows, planned.region.columns)
        spans = (
            [(start + 4, stop) for start, stop in (rows, columns)],
            [(start, stop - 4) for start, stop in (rows, columns)],
        )
        for less in [Region(one, columns) for one in (spans[0][0], spans[1][0])] + [
            Region(rows, one) for one in (spans[0][1], spans[1][1])
        ]:
            if less.is_empty:
                continue
            with pytest.raises(ValueError, match="the part of the image lacks pixels"):
                fill_sample(part_of(pixels, less), planned.plan, planned.recipe, config, kernels)
            refused += 1
    assert refused > 40


@given(
    height=st.integers(1, 9000), scaled=st.integers(1, 16000), start=st.integers(0, 15999), count=st.integers(1, 400)
)
def test_a_region_includes_every_row_and_column_that_is_blended(
    height: int, scaled: int, start: int, count: int
) -> None:
    start = min(start, scaled - 1)
    stop = min(start + count, scaled)
    exact = ((np.arange(start, stop) + 0.5) * (1.0 / (scaled / height)) - 0.5).astype(np.float32)
    first = np.clip(np.floor(exact).astype(int), 0, height - 1)
    rows = plan_of((scaled, 8), (start, stop), (0, 1)).source_region(height, 4).rows
    columns = plan_of((8, scaled), (0, 1), (start, stop)).source_region(4, height).columns
    assert rows == columns
    assert rows[0] <= first.min()
    assert rows[1] > min(first.max() + 1, height - 1)
    assert rows[1] - rows[0] <= first.max() - first.min() + 5


def test_a_crop_of_a_few_pixels_names_a_few_pixels() -> None:
    plan = plan_of((2000, 3000), (1000, 1010), (300, 308))
    assert plan.source_region(4000, 6000) == Region((1999, 2021), (599, 617))
    assert plan.source_region(1, 1) == Region((0, 1), (0, 1))


def test_a_crop_of_an_image_in_its_own_size_names_its_window_alone() -> None:
    assert plan_of((50, 60), (10, 30), (20, 25)).source_region(50, 60) == Region((10, 30), (20, 25))


@pytest.mark.parametrize(("rows", "columns"), [((5, 5), (0, 8)), ((0, 8), (3, 3))])
def test_a_crop_of_nothing_names_no_pixels(rows: tuple[int, int], columns: tuple[int, int]) -> None:
    assert plan_of((20, 8), rows, columns).source_region(40, 16).is_empty
