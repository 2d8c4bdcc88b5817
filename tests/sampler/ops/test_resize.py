"""A window of a resized image equals that of OpenCV, byte for byte."""

import cv2
import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sampler.ops.resize import resize_window
from tests.support.laws import random_numbers


def image_of(height: int, width: int, seed: int = 0, only_extremes: bool = False) -> NDArray[np.uint8]:
    pixels = random_numbers(seed).integers(0, 256, (height, width, 3), np.uint8)
    return np.where(pixels > 127, np.uint8(255), np.uint8(0)) if only_extremes else pixels


def assert_as_opencv(
    image: NDArray[np.uint8], size: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    whole = cv2.resize(image, size[::-1])
    window = resize_window(image, size, rows, columns)
    assert window.dtype == np.uint8
    np.testing.assert_array_equal(window, whole[slice(*rows), slice(*columns)])


def window_of(data: st.DataObject, side: int) -> tuple[int, int]:
    start = data.draw(st.integers(0, side))
    return start, data.draw(st.integers(start, min(side, start + 300)))


SIDES = st.one_of(st.integers(1, 6), st.integers(1, 300))


@settings(max_examples=150)
@given(SIDES, SIDES, SIDES, SIDES, st.integers(0, 1 << 32), st.booleans(), st.data())
@example(1, 1, 5, 5, 0, False, None)
@example(2, 2, 1, 1, 0, True, None)
@example(300, 1, 1, 300, 0, False, None)
@example(40, 60, 20, 30, 0, True, None)  # exact halves, where OpenCV averages areas instead
@example(40, 60, 20, 60, 0, True, None)
@example(40, 60, 80, 120, 0, True, None)
@example(255, 255, 255, 255, 0, False, None)
def test_any_window_of_any_size_equals_opencv(
    height: int, width: int, to_height: int, to_width: int, seed: int, only_extremes: bool, data: st.DataObject | None
) -> None:
    rows, columns = (0, to_height), (0, to_width)
    if data is not None and data.draw(st.booleans()):
        rows, columns = window_of(data, to_height), window_of(data, to_width)
    assert_as_opencv(image_of(height, width, seed, only_extremes), (to_height, to_width), rows, columns)


@given(st.integers(20, 200), st.integers(20, 200), st.floats(0.02, 9))
def test_the_sizes_of_any_scale_equal_opencv(height: int, width: int, scale: float) -> None:
    size = max(1, int(height * np.float32(scale))), max(1, int(width * np.float32(scale)))
    assume(size[0] * size[1] < 1_500_000)
    assert_as_opencv(image_of(height, width), size, (0, size[0]), (0, size[1]))


@pytest.mark.parametrize("side", [8219, 8223, 8235, 12289, 20000, 40960])
@pytest.mark.parametrize("source", [2, 3, 10])
def test_sides_beyond_8192_where_weights_do_not_sum_to_one_equal_opencv(side: int, source: int) -> None:
    for seed in range(4):
        assert_as_opencv(image_of(source, 3, seed), (side, 3), (0, side), (0, 3))
        assert_as_opencv(image_of(3, source, seed), (3, side), (0, 3), (0, side))


def test_a_scale_of_4096_is_exact_at_both_ends() -> None:
    image = image_of(3, 2)
    for rows in ((0, 50), (4000, 4200), (3 * 4096 - 50, 3 * 4096)):
        assert_as_opencv(image, (3 * 4096, 2 * 64), rows, (0, 128))


def test_the_whole_resized_image_is_never_made() -> None:
    image = image_of(480, 640)
    size = (480 * 4096, 640 * 4096)
    window = resize_window(image, size, (size[0] - 254, size[0]), (0, 254))
    assert window.shape == (254, 254, 3)
    assert (window == image[-1, 0]).all()


def test_the_same_size_is_a_copy() -> None:
    image = image_of(9, 7)
    window = resize_window(image, (9, 7), (2, 5), (0, 7))
    assert (window == image[2:5]).all()
    window[:] = 0
    assert image[2:5].any()


@pytest.mark.parametrize(("rows", "columns"), [((3, 3), (0, 5)), ((0, 5), (4, 2)), ((0, 0), (0, 0))])
def test_an_empty_window_is_empty(rows: tuple[int, int], columns: tuple[int, int]) -> None:
    window = resize_window(image_of(9, 7), (20, 20), rows, columns)
    assert window.shape == (rows[1] - rows[0], max(0, columns[1] - columns[0]), 3)


def test_images_that_are_not_contiguous_equal_opencv() -> None:
    image = image_of(40, 50)
    mirrored = image[::2, ::-1]
    expected = cv2.resize(np.ascontiguousarray(mirrored), (33, 44))
    assert (resize_window(mirrored, (44, 33), (0, 44), (0, 33)) == expected).all()
