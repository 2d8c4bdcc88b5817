"""Rendering on a tensor's device gives what NumPy gives."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sampler.array_table import allocate, dense_table
from sampler.config.presets import PRESETS
from sampler.config_schema import SamplerConfig
from sampler.layouts.render import render_batch
from tests.support.batches import CATEGORIES, CONFIGS, random_batch

torch: Any = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("client.torch_rendering")

from client.torch_rendering import render_tensors  # noqa: E402 - only where torch is


def assert_alike(config: SamplerConfig, counts: list[int], seed: int) -> dict[str, Any]:
    batch = random_batch(config, counts, seed)
    expected = allocate(config, CATEGORIES, len(counts))
    render_batch(batch.crops, batch.colours, batch.boxes, batch.objects, batch.starts, config, expected)
    tensors = render_tensors(
        torch.from_numpy(batch.crops), batch.colours, batch.boxes, batch.objects, batch.starts, config, CATEGORIES
    )
    assert list(tensors) == [spec.name for spec in dense_table(config, CATEGORIES)]
    for name, tensor in tensors.items():
        array: NDArray[Any] = tensor.numpy()
        assert (array.dtype, array.shape) == (expected[name].dtype, expected[name].shape), name
        if name == "images":
            assert np.abs(array - expected[name]).max(initial=0) <= 1e-5
        else:
            assert np.array_equal(array, expected[name]), name
    return dict(tensors)


@pytest.mark.parametrize("name", CONFIGS)
@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=4), st.integers(0, 1 << 32))
def test_any_batch_is_rendered_as_numpy_renders_it(name: str, counts: list[int], seed: int) -> None:
    assert_alike(CONFIGS[name], counts, seed)


@pytest.mark.parametrize("name", PRESETS)
def test_the_published_configs_are_rendered_alike(name: str) -> None:
    assert_alike(PRESETS[name], [4, 0, 9], 11)


def test_a_batch_without_any_box_is_background_and_images() -> None:
    tensors = assert_alike(CONFIGS["saccade"], [0, 0], 1)
    assert not tensors["tl_heats"].any()
    assert bool((tensors["br_valids"] == 1).all())


def test_more_objects_than_rows_draw_bumps_and_take_the_rows_there_are() -> None:
    tensors = assert_alike(dataclasses.replace(CONFIGS["cornernet"], max_objects=2), [30, 1], 2)
    assert tensors["tag_masks"].tolist() == [[1, 1], [1, 0]]


def test_bumps_that_are_drawn_in_parts_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    for cells in (1, 1000):
        monkeypatch.setattr("client.torch_rendering.CELLS_AT_ONCE", cells)
        assert_alike(CONFIGS["saccade"], [7, 0, 12], 3)


def test_colours_may_be_a_tensor_and_no_argument_is_changed() -> None:
    config = CONFIGS["squeeze"]
    batch = random_batch(config, [3, 2], 5)
    crops = torch.from_numpy(batch.crops)
    before: list[NDArray[Any]] = [batch.crops.copy(), batch.colours.copy(), batch.boxes.copy()]
    colours = torch.from_numpy(batch.colours)
    tensors = render_tensors(crops, colours, batch.boxes, batch.objects, batch.starts, config, CATEGORIES)
    after: list[NDArray[Any]] = [batch.crops, batch.colours, batch.boxes]
    assert [array.tobytes() for array in before] == [array.tobytes() for array in after]
    assert {str(tensor.device) for tensor in tensors.values()} == {"cpu"}
