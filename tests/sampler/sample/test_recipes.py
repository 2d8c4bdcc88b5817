"""Drawn recipes follow the published distributions. Every seed is fixed, so the tests are deterministic."""

import dataclasses
import functools
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import IntEnum
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from scipy import stats

from sampler.config.presets import PRESETS
from sampler.config_schema import SamplerConfig
from sampler.families import cornernet, saccade
from sampler.families.cornernet import centre_margin
from sampler.families.interface import PLACEMENT_DRAWS
from sampler.ops.boxes import Boxes
from sampler.recipe import JITTER_STEPS, Recipe
from sampler.sample import recipes
from sampler.sample.recipes import draw_recipe, fixed_recipe
from sampler.sample.sample import apply_recipe
from sampler.stream.keys import SampleKey
from tests.support.laws import random_boxes, random_numbers

SACCADE = PRESETS["cornernet_saccade"]
CORNERNET = PRESETS["cornernet"]
LEAST_P = 1e-4
SIDE = 255
NONE: Boxes = np.zeros((0, 5), np.float32)


def boxes_of(*rows: Sequence[float]) -> Boxes:
    return np.array([[*row, 1.0] for row in rows], np.float32)


def drawn(config: SamplerConfig, height: int, width: int, boxes: Boxes, count: int, seed: int = 11) -> list[Recipe]:
    """Recipes of `count` keys, over two epochs."""
    keys = (SampleKey(seed, number % 2, number // 2) for number in range(count))
    return [draw_recipe(key, config, height, width, boxes) for key in keys]


def assert_uniform_over(values: Iterable[object], expected: Sequence[object]) -> None:
    """Only the expected values occur, each about equally often."""
    counts = Counter(values)
    assert set(counts) <= set(expected)
    assert stats.chisquare([counts[value] for value in expected]).pvalue > LEAST_P


def assert_share(count: int, total: int, share: float) -> None:
    assert stats.binomtest(count, total, share).pvalue > LEAST_P


def assert_same_law(found: ArrayLike, expected: ArrayLike) -> None:
    assert stats.ks_2samp(np.asarray(found), np.asarray(expected)).pvalue > LEAST_P


def assert_independent(first: Iterable[object], second: Iterable[object]) -> None:
    """A chi-square test on the table of both."""
    _, rows = np.unique(np.array([str(value) for value in first]), return_inverse=True)
    _, columns = np.unique(np.array([str(value) for value in second]), return_inverse=True)
    table = np.zeros((rows.max() + 1, columns.max() + 1), np.int64)
    np.add.at(table, (rows, columns), 1)
    assert min(table.shape) > 1
    assert stats.chi2_contingency(table).pvalue > LEAST_P


def starts(recipes: Iterable[Recipe], axis: int, side: int = SIDE) -> list[int]:
    return [recipe.center[axis] - side // 2 for recipe in recipes]


class TestScale:
    @pytest.mark.parametrize(
        ("longest", "low", "high"),
        [(300, 96, 254), (97, 96, 254), (96.5, 96, 254), (96, 32, 96), (33, 32, 96), (32, 16, 32), (5, 16, 32)],
    )
    def test_the_longer_side_gets_a_uniform_whole_length_of_its_size_class(
        self, longest: float, low: int, high: int
    ) -> None:
        for box in ((10, 20, 10 + longest, 22), (10, 20, 12, 20 + longest)):
            recipes = drawn(SACCADE, 480, 640, boxes_of(box), 3000)
            lengths = [recipe.scale * longest for recipe in recipes]
            whole = [round(length) for length in lengths]
            assert max(abs(length - n) for length, n in zip(lengths, whole, strict=True)) < 1e-3
            assert_uniform_over(whole, range(low, high + 1))

    def test_the_size_class_is_that_of_the_clipped_box(self) -> None:
        recipes = drawn(SACCADE, 480, 640, boxes_of((620, 10, 900, 30)), 500)
        assert {round(recipe.scale * 20) for recipe in recipes} == set(range(16, 33))

    def test_the_scale_is_the_float32_quotient_of_length_and_side(self) -> None:
        box = boxes_of((1.3, 2.7, 78.9, 30))
        side = box[0, 2] - box[0, 0]
        possible = {float(np.float32(length) / side) for length in range(32, 97)}
        assert {recipe.scale for recipe in drawn(SACCADE, 480, 640, box, 800)} <= possible

    @pytest.mark.parametrize("preset", PRESETS)
    def test_without_boxes_the_scale_is_uniform_over_the_list(self, preset: str) -> None:
        config = PRESETS[preset]
        recipes = drawn(config, 480, 640, NONE, 3000)
        assert_uniform_over((recipe.scale for recipe in recipes), config.rand_scales)
        assert {recipe.reference for recipe in recipes} == {None}

    def test_thin_boxes_are_enlarged_at_most_4096_times(self) -> None:
        for side in (0.01, 1e-3, 1e-6, 1e-30):
            recipes = drawn(SACCADE, 480, 640, boxes_of((0, 0, side, side)), 100)
            assert all(16 / side - 1 <= recipe.scale or recipe.scale == 4096 for recipe in recipes)
            assert all(recipe.scale <= 4096 for recipe in recipes)


class TestReference:
    BOXES = boxes_of((10, 10, 50, 50), (700, 5, 800, 50), (30, 30, 90, 200), (5, 5, 6, 6), (-9, 3, -1, 8),
                     (100, 100, 600, 400), (0, 0, 640, 480))  # fmt: skip

    def test_every_remaining_box_is_chosen_equally_often(self) -> None:
        recipes = drawn(SACCADE, 480, 640, self.BOXES, 4000)
        assert_uniform_over((recipe.reference for recipe in recipes), range(5))

    def test_with_random_cropping_70_percent_have_a_reference(self) -> None:
        recipes = drawn(dataclasses.replace(SACCADE, rand_crop=True), 480, 640, self.BOXES, 5000)
        chosen = [recipe.reference for recipe in recipes if recipe.reference is not None]
        assert_share(len(chosen), len(recipes), 0.7)
        assert_uniform_over(chosen, range(5))
        others = [recipe.scale for recipe in recipes if recipe.reference is None]
        assert_uniform_over(others, SACCADE.rand_scales)

    def test_random_cropping_changes_no_other_decision(self) -> None:
        cropping = drawn(dataclasses.replace(SACCADE, rand_crop=True), 480, 640, self.BOXES, 300)
        for with_it, without in zip(cropping, drawn(SACCADE, 480, 640, self.BOXES, 300), strict=True):
            assert (with_it.flip, with_it.jitter, with_it.lighting) == (without.flip, without.jitter, without.lighting)
            assert with_it.reference in (None, without.reference)

    def test_an_image_whose_boxes_all_lie_outside_has_no_reference(self) -> None:
        recipes = drawn(SACCADE, 480, 640, boxes_of((-9, 3, -1, 8), (650, 0, 700, 9)), 50)
        assert {recipe.reference for recipe in recipes} == {None}

    def test_an_image_one_pixel_wide_has_no_reference(self) -> None:
        assert {recipe.reference for recipe in drawn(SACCADE, 400, 1, boxes_of((0, 0, 1, 400)), 50)} == {None}


def centred_by_definition(numbers: np.random.Generator, start: float, end: float, extent: int) -> int:
    """The published law of a centred crop's centre along one axis, implemented again."""
    middle = (start + end) // 2
    before, after = int(numbers.integers(0, 15)), int(numbers.integers(0, 15))
    low, high = int(max(middle - before, 0.0)), int(min(middle + after, extent - 1.0))
    return int(numbers.integers(low, high + 1))


def centre_by_definition(numbers: np.random.Generator, box: Sequence[float], extent: tuple[int, int]) -> list[int]:
    """The published law of the centre of a crop around a box. box: x0, y0, x1, y1 in the scaled image."""
    centred = numbers.random() < 0.5
    centre = []
    for axis, size in enumerate(extent):
        start, end = box[1 - axis], box[3 - axis]
        if size <= SIDE:
            centre.append(size // 2)
        elif centred:
            centre.append(centred_by_definition(numbers, start, end, size))
        else:
            low, high = int(max(end - SIDE, 0)), int(min(size - SIDE, start))
            centre.append(int(numbers.integers(low, high + 1)) + SIDE // 2)
    return centre


class TestCentre:
    UNCENTRED = dataclasses.replace(SACCADE, rand_center=False)

    def test_an_axis_that_fits_into_the_input_is_centred(self) -> None:
        for extent in (1, 2, 40, 254, 255):
            scaled = {recipe.center for recipe in drawn(one_scale(1.0), extent, 700, NONE, 40)}
            assert {y for y, _ in scaled} == {extent // 2}
            assert len(scaled) > 10
        assert len({recipe.center[0] for recipe in drawn(one_scale(1.0), 257, 300, NONE, 200)}) == 3

    def test_without_reference_the_window_is_uniform_over_the_image(self) -> None:
        recipes = drawn(one_scale(1.0), 300, 340, NONE, 6000)
        assert_uniform_over(starts(recipes, 0), range(300 - SIDE + 1))
        assert_uniform_over(starts(recipes, 1), range(340 - SIDE + 1))
        assert_independent(starts(drawn(one_scale(1.0), 257, 258, NONE, 4000), 0),
                           starts(drawn(one_scale(1.0), 257, 258, NONE, 4000), 1))  # fmt: skip

    def test_a_window_that_is_not_centred_contains_the_reference(self) -> None:
        boxes = boxes_of((400, 300, 450, 320))
        for recipe in drawn(self.UNCENTRED, 600, 800, boxes, 400):
            start, _, end, _ = scaled((400, 300, 450, 320), recipe.scale)
            assert int(max(end - SIDE, 0)) <= recipe.center[1] - SIDE // 2 <= int(start)

    @pytest.mark.parametrize(
        "box", [(400, 300, 432, 308), (1, 300, 33, 301), (90, 300, 122, 301), (760, 300, 792, 301), (200, 9, 700, 99)]
    )
    def test_a_window_that_is_not_centred_is_uniform_over_the_published_range(self, box: Sequence[float]) -> None:
        numbers = random_numbers(17)
        for axis in (0, 1):
            places = []
            for recipe in drawn(self.UNCENTRED, 600, 800, boxes_of(box), 2500):
                size = int((600, 800)[axis] * np.float32(recipe.scale))
                if size <= SIDE:
                    continue
                low, high = ends_of_starts(scaled(box, recipe.scale), size, axis)
                # Where the start lies among the possible ones; spread over its share, this is uniform on 0 … 1.
                places.append((recipe.center[axis] - SIDE // 2 - low + numbers.random()) / (high - low + 1))
            assert stats.kstest(places, stats.uniform.cdf).pvalue > LEAST_P

    def test_half_of_all_windows_are_centred_within_14_pixels(self) -> None:
        near = [max(abs(y), abs(x)) <= 14 for y, x in far_from_edges()]
        by_chance = (29 / (SIDE - 24)) ** 2
        assert_share(sum(near), len(near), 0.5 + 0.5 * by_chance)

    def test_the_spread_of_centred_windows_is_drawn_per_axis(self) -> None:
        offsets = [(y, x) for y, x in far_from_edges() if max(abs(y), abs(x)) <= 14]
        law = np.zeros(29)
        for before in range(15):
            for after in range(15):
                law[14 - before : 14 + after + 1] += 1 / 225 / (before + after + 1)
        by_chance = (29 / (SIDE - 24)) ** 2  # windows that are not centred, and near all the same
        expected = (law + by_chance / 29) / (1 + by_chance) * len(offsets)
        for axis in (0, 1):
            counts = np.bincount([off[axis] + 14 for off in offsets], minlength=29)
            assert stats.chisquare(counts, expected).pvalue > LEAST_P
            assert_share(int(counts[0] + counts[-1]), len(offsets), (expected[0] + expected[-1]) / len(offsets))
        assert_independent((y // 5 for y, _ in offsets), (x // 5 for _, x in offsets))

    def test_no_window_is_centred_if_rand_center_is_off(self) -> None:
        box = (300, 300, 332, 301)
        for recipe in drawn(self.UNCENTRED, 600, 800, boxes_of(box), 1500):
            for axis, extent in enumerate((600, 800)):
                size = int(extent * np.float32(recipe.scale))
                low, high = ends_of_starts(scaled(box, recipe.scale), size, axis)
                assert low <= recipe.center[axis] - SIDE // 2 <= high

    @pytest.mark.parametrize("box", [(380, 250, 520, 330), (2, 3, 50, 44), (700, 560, 799, 599), (0, 0, 799, 599),
                                     (390.4, 100.2, 401.8, 250.9)])  # fmt: skip
    def test_centres_follow_the_published_distribution_at_every_scale(self, box: Sequence[float]) -> None:
        recipes = drawn(SACCADE, 600, 800, boxes_of(box), 2500)
        numbers = random_numbers(5)
        expected = []
        for recipe in recipes:
            extent = (int(600 * np.float32(recipe.scale)), int(800 * np.float32(recipe.scale)))
            expected.append(centre_by_definition(numbers, scaled(box, recipe.scale), extent))
        for axis in (0, 1):
            assert_same_law([recipe.center[axis] for recipe in recipes], [centre[axis] for centre in expected])

    @given(height=st.integers(1, 5000), width=st.integers(1, 5000), seed=st.integers(0, 1 << 64))
    def test_every_drawn_recipe_fits_its_image(self, height: int, width: int, seed: int) -> None:
        numbers = random_numbers(seed)
        boxes = random_boxes(numbers, int(numbers.integers(0, 6)), height, width, 5)
        for config in (SACCADE, self.UNCENTRED, CORNERNET):
            recipe = draw_recipe(SampleKey(seed % (1 << 64), 0, 0), config, height, width, boxes)
            assert Recipe.parse(recipe.as_dict()) == recipe


def scaled(box: Sequence[float], scale: float) -> list[float]:
    return [float(np.float32(side) * np.float32(scale)) for side in box]


def ends_of_starts(box: Sequence[float], size: int, axis: int) -> tuple[int, int]:
    """First and last start of a window that is not centred, as published."""
    start, end = box[1 - axis], box[3 - axis]
    return (int(max(end - SIDE, 0)), int(min(size - SIDE, start))) if size > SIDE else (0, 0)


def one_scale(scale: float) -> SamplerConfig:
    return dataclasses.replace(SACCADE, rand_scales=(scale,))


@functools.cache
def far_from_edges() -> tuple[tuple[int, int], ...]:
    """How far crops lie from the middle (y, x) of a reference box that is far from every edge."""
    box = (1484, 984, 1516, 1016)
    offsets = []
    for recipe in drawn(SACCADE, 4000, 4000, boxes_of(box), 12000):
        x0, y0, x1, y1 = scaled(box, recipe.scale)
        offsets.append((recipe.center[0] - int((y0 + y1) // 2), recipe.center[1] - int((x0 + x1) // 2)))
    return tuple(offsets)


class TestColour:
    RECIPES = drawn(SACCADE, 100, 100, NONE, 6000)

    def test_half_of_all_samples_are_flipped(self) -> None:
        assert_share(sum(recipe.flip for recipe in self.RECIPES), len(self.RECIPES), 0.5)

    def test_the_six_orders_of_jitter_are_equally_likely(self) -> None:
        orders = [tuple(name for name, _ in recipe.jitter) for recipe in self.RECIPES]
        assert_uniform_over(orders, list(permutations(JITTER_STEPS)))

    @pytest.mark.parametrize("step", JITTER_STEPS)
    def test_gains_are_uniform_from_0_6_to_1_4(self, step: str) -> None:
        gains = [dict(recipe.jitter)[step] for recipe in self.RECIPES]
        assert stats.kstest(gains, stats.uniform(0.6, 0.8).cdf).pvalue > LEAST_P
        assert min(gains) >= 0.6
        assert max(gains) <= 1.4

    @pytest.mark.parametrize("axis", range(3))
    def test_lighting_is_normal_with_standard_deviation_0_1(self, axis: int) -> None:
        values = [recipe.lighting[axis] for recipe in self.RECIPES]
        assert stats.kstest(values, stats.norm(0, 0.1).cdf).pvalue > LEAST_P

    def test_jitter_and_lighting_widths_come_from_the_config(self) -> None:
        config = dataclasses.replace(SACCADE, jitter=0.1, lighting_std=2.0)
        recipes = drawn(config, 100, 100, NONE, 2000)
        gains = [gain for recipe in recipes for _, gain in recipe.jitter]
        assert stats.kstest(gains, stats.uniform(0.9, 0.2).cdf).pvalue > LEAST_P
        lights = [value for recipe in recipes for value in recipe.lighting]
        assert stats.kstest(lights, stats.norm(0, 2).cdf).pvalue > LEAST_P

    def test_disabled_steps_are_not_drawn(self) -> None:
        plain = draw_recipe(SampleKey(1, 2, 3), dataclasses.replace(SACCADE, rand_color=False), 9, 9, NONE)
        assert (plain.jitter, plain.lighting) == ((), (0.0, 0.0, 0.0))
        unlit = draw_recipe(SampleKey(1, 2, 3), dataclasses.replace(SACCADE, lighting=False), 9, 9, NONE)
        assert (len(unlit.jitter), unlit.lighting) == (3, (0.0, 0.0, 0.0))


class TestIndependence:
    """Decisions are independent of each other, and so are neighbouring keys."""

    RECIPES = drawn(SACCADE, 600, 800, TestReference.BOXES[[0, 2, 3]], 6000)

    @staticmethod
    def order(recipe: Recipe) -> tuple[str, ...]:
        return tuple(name for name, _ in recipe.jitter)

    def test_flip_order_and_reference_are_independent(self) -> None:
        assert_independent((r.flip for r in self.RECIPES), (self.order(r) for r in self.RECIPES))
        assert_independent((r.flip for r in self.RECIPES), (r.reference for r in self.RECIPES))
        assert_independent((r.reference for r in self.RECIPES), (self.order(r) for r in self.RECIPES))

    def test_gains_and_lighting_are_uncorrelated(self) -> None:
        rows = [[gain for _, gain in sorted(r.jitter)] + list(r.lighting) for r in self.RECIPES]
        for first in range(6):
            for second in range(first):
                columns = np.array(rows)[:, [first, second]].T
                assert stats.pearsonr(*columns).pvalue > LEAST_P

    @pytest.mark.parametrize("word", range(3), ids=["seed", "epoch", "index"])
    def test_neighbouring_keys_are_independent(self, word: int) -> None:
        words = [[5, 5, 5] for _ in range(4000)]
        for number, row in enumerate(words):
            row[word] = number
        recipes = [draw_recipe(SampleKey(*row), SACCADE, 100, 100, NONE) for row in words]
        assert_independent((r.flip for r in recipes[:-1]), (r.flip for r in recipes[1:]))
        assert_independent((self.order(r) for r in recipes[:-1]), (self.order(r) for r in recipes[1:]))
        lights = [r.lighting[0] for r in recipes]
        assert stats.pearsonr(lights[:-1], lights[1:]).pvalue > LEAST_P
        assert len(set(lights)) == len(lights)

    def test_seed_and_epoch_are_never_added_together(self) -> None:
        recipes = {draw_recipe(SampleKey(seed, epoch, 0), SACCADE, 9, 9, NONE).lighting
                   for seed in range(20) for epoch in range(20)}  # fmt: skip
        assert len(recipes) == 400

    @pytest.mark.parametrize("placement", [saccade.Draw, cornernet.Draw])
    def test_every_decision_has_random_bits_of_its_own(self, placement: type[IntEnum]) -> None:
        draws = [*placement, *recipes.Draw]
        assert len(set(draws)) == len(draws)
        assert max(placement) < PLACEMENT_DRAWS <= min(recipes.Draw)
        assert max(recipes.Draw) < recipes.DRAWS


class TestCornernet:
    @pytest.mark.parametrize(("extent", "margin"), [
        (640, 128), (480, 128), (257, 128), (256, 64), (129, 64), (128, 32), (64, 16), (3, 1), (2, 0), (1, 0),
    ])  # fmt: skip
    def test_the_margin_is_the_border_halved_until_it_fits(self, extent: int, margin: int) -> None:
        assert centre_margin(128, extent) == margin
        assert extent - margin > margin

    def test_the_centre_is_uniform_between_the_margins(self) -> None:
        recipes = drawn(CORNERNET, 300, 260, NONE, 5000)
        assert_uniform_over((recipe.center[0] for recipe in recipes), range(128, 300 - 128))
        assert_uniform_over((recipe.center[1] for recipe in recipes), range(128, 260 - 128))
        assert_independent((r.center[0] // 15 for r in recipes), (r.center[1] for r in recipes))

    def test_boxes_change_nothing(self) -> None:
        assert drawn(CORNERNET, 300, 260, NONE, 50) == drawn(CORNERNET, 300, 260, TestReference.BOXES, 50)


class TestFixed:
    """With augment=False there is one recipe per image, for every seed and epoch."""

    def test_the_largest_box_is_the_reference_the_first_of_equals(self) -> None:
        boxes = boxes_of((0, 0, 10, 10), (50, 50, 90, 90), (20, 20, 60, 60), (0, 0, 60, 20))
        assert fixed_recipe(SACCADE, 480, 640, boxes).reference == 1

    @pytest.mark.parametrize(("longest", "length"), [(300, 254), (200, 200), (96, 96), (40, 40), (32, 32), (20, 20),
                                                     (10, 16), (96.5, 96.5)])  # fmt: skip
    def test_a_box_keeps_its_size_if_its_size_class_allows_it(self, longest: float, length: float) -> None:
        recipe = fixed_recipe(SACCADE, 480, 640, boxes_of((5, 5, 5 + longest, 9)))
        assert recipe.scale * longest == pytest.approx(length, rel=1e-6)

    def test_the_crop_is_centred_on_the_box(self) -> None:
        recipe = fixed_recipe(SACCADE, 480, 640, boxes_of((300, 200, 340, 230)))
        expected = Recipe(scale=1.0, reference=0, center=(215, 320), flip=False)
        assert recipe == expected

    def test_centres_stay_inside_the_image(self) -> None:
        assert fixed_recipe(SACCADE, 200, 640, boxes_of((600, 100, 700, 140))).center[0] == 100
        for box in ((0, 0, 1, 1), (638, 478, 639, 479), (0, 0, 639, 479)):
            recipe = fixed_recipe(SACCADE, 480, 640, boxes_of(box))
            assert 0 <= recipe.center[0] < 480 * recipe.scale
            assert 0 <= recipe.center[1] < 640 * recipe.scale

    @pytest.mark.parametrize("preset", PRESETS)
    def test_without_boxes_the_crop_is_the_image_centre_at_scale_1(self, preset: str) -> None:
        expected = Recipe(scale=1.0, reference=None, center=(240, 320), flip=False)
        assert fixed_recipe(PRESETS[preset], 480, 640, NONE) == expected

    def test_cornernet_takes_no_reference(self) -> None:
        assert fixed_recipe(CORNERNET, 480, 640, TestReference.BOXES).reference is None


WILD = st.sampled_from([0.0, 1e-45, 1e-38, 1e-20, 1e-3, 0.01, 0.5, 1.0, 2.5, 31.9, 96.0, 255.0, 1e4, 1e10, 1e20, 3e38])
CORNER = st.one_of(WILD, WILD.map(lambda value: -value), st.floats(-1e3, 1e3, width=32))


class TestWildInput:
    @given(
        size=st.sampled_from([(1, 1), (1, 9000), (9000, 1), (2, 3), (60, 255), (256, 640), (700, 300)]),
        rows=st.lists(st.tuples(CORNER, CORNER, CORNER, CORNER), max_size=6),
        preset=st.sampled_from(list(PRESETS)),
        augment=st.booleans(),
        index=st.integers(0, 1 << 62),
    )
    def test_any_boxes_in_any_image_make_a_sample_without_a_warning(
        self, size: tuple[int, int], rows: list[tuple[float, ...]], preset: str, augment: bool, index: int
    ) -> None:
        height, width = size
        boxes = boxes_of(*rows) if rows else NONE
        config = PRESETS[preset]
        key = SampleKey(0, 0, index)
        recipe = draw_recipe(key, config, *size, boxes) if augment else fixed_recipe(config, *size, boxes)
        sample = apply_recipe(np.full((height, width, 3), 200, np.uint8), boxes, recipe, config)
        corners = sample.boxes[:, :4]
        assert ((corners >= 0) & (corners <= config.input_side - 1)).all()
        assert (corners[:, :2] <= corners[:, 2:]).all()
        assert np.isfinite(sample.colour).all()
        assert all(map(math.isfinite, (recipe.scale, *recipe.lighting)))


def test_recipes_of_neighbouring_indices_never_repeat() -> None:
    lights = [draw_recipe(SampleKey(0, 0, index), SACCADE, 9, 9, NONE).lighting for index in range(2000)]
    assert all(first != second for first, second in pairwise(sorted(lights)))
