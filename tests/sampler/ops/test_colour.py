"""One matrix has the same result as the published colour steps, one after another."""

import dataclasses
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sampler.config.presets import PRESETS
from sampler.config_schema import SamplerConfig
from sampler.ops.colour import apply_colour, colour_matrix, mean_grey
from sampler.recipe import JITTER_STEPS, Recipe
from tests.support.laws import random_numbers

CONFIG = PRESETS["cornernet_saccade"]
GREY = np.array([0.114, 0.587, 0.299])


def pixels_of(seed: int, side: int = 24) -> NDArray[np.uint8]:
    return random_numbers(seed).integers(0, 256, (side, side, 3), np.uint8)


def grey_of(pixels: NDArray[np.uint8]) -> float:
    blue, green, red = pixels.sum(axis=(0, 1), dtype=np.int64).tolist()
    return mean_grey((blue, green, red), pixels.shape[0] * pixels.shape[1])


def recipe_of(jitter: tuple[tuple[str, float], ...] = (), lighting: tuple[float, float, float] = (0, 0, 0)) -> Recipe:
    return Recipe(scale=1.0, reference=None, center=(0, 0), flip=False, jitter=jitter, lighting=lighting)


def step_by_step(pixels: NDArray[np.uint8], recipe: Recipe, config: SamplerConfig) -> NDArray[np.float64]:
    """The published steps in float64, one after another, on every pixel."""
    image = pixels / 255.0
    grey = image @ GREY
    for name, gain in recipe.jitter:
        image = image * gain
        if name == "contrast":
            image = image + (1 - gain) * grey.mean()
        elif name == "saturation":
            image = image + (1 - gain) * grey[:, :, None]
    image = image + np.array(config.eigenvectors) @ (np.array(config.eigenvalues) * recipe.lighting)
    return np.asarray(((image - config.mean) / config.std).transpose(2, 0, 1), np.float64)


def by_matrix(pixels: NDArray[np.uint8], recipe: Recipe, config: SamplerConfig = CONFIG) -> NDArray[np.float32]:
    return apply_colour(pixels, colour_matrix(recipe, config, grey_of(pixels)))


GAINS = st.floats(0.6, 1.4)
LIGHTS = st.floats(-0.5, 0.5)


@given(st.integers(0, 1 << 32), st.permutations(JITTER_STEPS), st.tuples(GAINS, GAINS, GAINS),
       st.tuples(LIGHTS, LIGHTS, LIGHTS))  # fmt: skip
def test_the_matrix_equals_the_published_steps(
    seed: int, order: list[str], gains: tuple[float, ...], lighting: tuple[float, float, float]
) -> None:
    recipe = recipe_of(tuple(zip(order, gains, strict=True)), lighting)
    pixels = pixels_of(seed)
    expected = step_by_step(pixels, recipe, CONFIG)
    np.testing.assert_allclose(by_matrix(pixels, recipe), expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("steps", [(), ("contrast",), ("saturation", "brightness")])
def test_recordings_with_fewer_steps_apply_only_those(steps: tuple[str, ...]) -> None:
    recipe = recipe_of(tuple((step, 1.3) for step in steps))
    np.testing.assert_allclose(by_matrix(pixels_of(1), recipe), step_by_step(pixels_of(1), recipe, CONFIG), atol=2e-6)


def test_the_order_of_steps_matters() -> None:
    gains = {"brightness": 1.4, "contrast": 0.6, "saturation": 1.2}
    images = [by_matrix(pixels_of(2), recipe_of(tuple((step, gains[step]) for step in order)))
              for order in permutations(JITTER_STEPS)]  # fmt: skip
    assert sum(np.abs(image - images[0]).max() > 1e-3 for image in images) >= 3


def test_without_any_step_only_normalisation_remains() -> None:
    pixels = pixels_of(3)
    expected = ((pixels / 255.0 - CONFIG.mean) / CONFIG.std).transpose(2, 0, 1)
    np.testing.assert_allclose(by_matrix(pixels, recipe_of()), expected, atol=1e-6)


def test_constants_come_from_the_config() -> None:
    config = dataclasses.replace(CONFIG, mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 2.0), eigenvalues=(1.0, 0.5, 0.25))
    recipe = recipe_of((("contrast", 0.7),), (0.1, -0.2, 0.3))
    np.testing.assert_allclose(
        by_matrix(pixels_of(4), recipe, config), step_by_step(pixels_of(4), recipe, config), atol=5e-6
    )


def test_the_image_is_elementwise_float32_in_a_fixed_order() -> None:
    pixels = pixels_of(5)
    matrix = colour_matrix(recipe_of((("saturation", 0.9), ("contrast", 1.2))), CONFIG, grey_of(pixels))
    blue, green, red = pixels.astype(np.float32).transpose(2, 0, 1)
    expected = np.stack([((m[0] * blue + m[1] * green) + m[2] * red) + m[3] for m in matrix])
    assert apply_colour(pixels, matrix).tobytes() == expected.tobytes()
    out = np.full((3, 24, 24), np.nan, np.float32)
    assert apply_colour(pixels, matrix, out) is out
    assert out.tobytes() == expected.tobytes()


def test_the_mean_grey_is_exact() -> None:
    pixels = np.zeros((255, 255, 3), np.uint8)
    assert grey_of(pixels) == 0
    pixels[:] = 255
    assert grey_of(pixels) == pytest.approx(1, abs=1e-15)
    noise = pixels_of(6, 255)
    assert grey_of(noise) == pytest.approx(float((noise / 255.0 @ GREY).mean()), abs=1e-12)
