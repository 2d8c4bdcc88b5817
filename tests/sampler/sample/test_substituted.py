"""Samples of unusable images: another image, and the random bits of the key."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampler.arrays import LAYOUTS, Layout
from sampler.config.presets import PRESETS
from sampler.kernels.compiled.kernels import COMPILED
from sampler.kernels.reference import REFERENCE
from sampler.layouts.convert import lay_out
from sampler.sample.recipes import draw_recipe, fixed_recipe
from sampler.sample.sample import apply_recipe, make_sample, plan_sample, recipe_of
from sampler.stream.keys import SampleKey
from tests.support.laws import CATEGORIES, Pictures

PLAIN, SUBSTITUTED = Pictures(), Pictures(unusable=(1, 4, 5, 9))
KEYS = st.builds(SampleKey, st.integers(0, (1 << 64) - 1), st.integers(0, 1 << 40), st.integers(0, 11))
UNUSABLE_KEYS = KEYS.filter(lambda key: key.index in SUBSTITUTED.substitutes.unusable)


@pytest.mark.parametrize("name", PRESETS)
@given(KEYS, st.booleans())
def test_the_samples_of_usable_images_do_not_change(name: str, key: SampleKey, augment: bool) -> None:
    if key.index in SUBSTITUTED.substitutes.unusable:
        key = replace(key, index=3)
    made, expected = (make_sample(one, PRESETS[name], key, augment=augment) for one in (SUBSTITUTED, PLAIN))
    assert made.recipe == expected.recipe
    assert made.crop.tobytes() == expected.crop.tobytes()
    assert made.boxes.tobytes() == expected.boxes.tobytes()


@pytest.mark.parametrize("name", PRESETS)
@given(UNUSABLE_KEYS, st.booleans())
def test_an_unusable_image_gives_the_sample_of_its_substitute_with_the_bits_of_its_own_key(
    name: str, key: SampleKey, augment: bool
) -> None:
    config, image = PRESETS[name], SUBSTITUTED.substitutes.image_of(key)
    size, boxes = PLAIN.size(image), PLAIN.boxes(image)
    recipe = draw_recipe(key, config, *size, boxes) if augment else fixed_recipe(config, *size, boxes)
    expected = apply_recipe(PLAIN.read(image).pixels, boxes, recipe, config)
    made = make_sample(SUBSTITUTED, config, key, augment=augment)
    assert made.recipe == replace(recipe, substitute=image) == recipe_of(SUBSTITUTED, config, key, augment=augment)
    assert plan_sample(SUBSTITUTED, config, key, augment).image == image
    assert made.crop.tobytes() == expected.crop.tobytes()
    assert made.boxes.tobytes() == expected.boxes.tobytes()


@pytest.mark.parametrize("layout", LAYOUTS)
@given(UNUSABLE_KEYS)
def test_both_kernels_give_the_same_bytes(layout: Layout, key: SampleKey) -> None:
    config = PRESETS["cornernet_saccade"]
    plain, compiled = (
        lay_out(make_sample(SUBSTITUTED, config, key, kernels=kernels), layout, config, CATEGORIES, kernels)
        for kernels in (REFERENCE, COMPILED)
    )
    assert {name: array.tobytes() for name, array in plain.items()} == {
        name: array.tobytes() for name, array in compiled.items()
    }
