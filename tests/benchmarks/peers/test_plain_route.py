"""The plain route makes what training needs, as people usually write it."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.material import Material
from benchmarks.peers.plain_route import (
    INPUT_SIDE,
    MAX_OBJECTS,
    OUTPUT_SIDE,
    Arrays,
    PlainImage,
    gaussian_radius,
    plain_sample,
    read_annotations,
)
from benchmarks.peers.routes import ROUTES, Route, RouteName
from benchmarks.sampling import CONFIG
from sampler.array_table import dense_table
from sampler.ops.gaussian import bump_radius
from tests.support.scenes import CATEGORY_IDS, IMAGES


@pytest.fixture(scope="module")
def images(scenes: tuple[Path, Path]) -> list[PlainImage]:
    found, categories = read_annotations(*scenes)
    assert categories == len(CATEGORY_IDS)
    return found


def _samples(images: list[PlainImage]) -> list[Arrays]:
    return [
        plain_sample(images[number % len(images)], len(CATEGORY_IDS), np.random.default_rng(number))
        for number in range(4 * len(images))
    ]


@pytest.mark.parametrize("route", ROUTES)
def test_both_routes_give_the_dense_arrays(route: RouteName, scenes: tuple[Path, Path], tmp_path: Path) -> None:
    make = Route(route, Material("scenes", *scenes, tmp_path)).opened()
    expected = {spec.name: (spec.dtype, spec.shape) for spec in dense_table(CONFIG, len(CATEGORY_IDS))}
    for position in (0, 1, 5 * IMAGES):
        arrays = make(position)
        assert {name: (array.dtype.str, array.shape) for name, array in arrays.items()} == expected
        assert all(array.flags.c_contiguous for array in arrays.values())


def test_images_without_boxes_are_left_out(images: list[PlainImage]) -> None:
    assert len(images) == IMAGES - 1
    assert all(len(image.boxes) for image in images)


def test_every_object_has_a_bump_of_peak_1_at_both_corners(images: list[PlainImage]) -> None:
    objects = 0
    for sample in _samples(images):
        count = int(sample["tag_masks"].sum())
        objects += count
        for corner in ("tl", "br"):
            tags = sample[f"{corner}_tags"][:count]
            highest = sample[f"{corner}_heats"].max(axis=0).reshape(-1)
            assert (highest[tags] == 1).all()
            assert highest.max(initial=0) <= 1
            offsets = sample[f"{corner}_regrs"]
            assert ((offsets[:count] >= 0) & (offsets[:count] < 1)).all()
            assert not offsets[count:].any()
        assert count <= MAX_OBJECTS
    assert objects > 2 * len(images)


def test_top_left_corners_are_above_and_left_of_bottom_right_ones(images: list[PlainImage]) -> None:
    for sample in _samples(images):
        count = int(sample["tag_masks"].sum())
        rows, columns = (np.divmod(sample[f"{corner}_tags"][:count], OUTPUT_SIDE) for corner in ("tl", "br"))
        assert (rows[0] <= columns[0]).all()
        assert (rows[1] <= columns[1]).all()


def test_ignored_boxes_clear_the_valid_masks_only(images: list[PlainImage]) -> None:
    masks = np.concatenate([sample["tl_valids"].reshape(-1) for sample in _samples(images)])
    assert set(np.unique(masks)) == {0, 1}
    assert 0 < np.mean(masks == 0) < 0.1


def test_attention_maps_have_a_mark_for_boxes_of_their_size(images: list[PlainImage]) -> None:
    marks = np.zeros(3)
    for sample in _samples(images):
        marks += [sample[f"attentions_{number}"].sum() for number in range(3)]
    assert (marks > 0).all()


def test_samples_differ_in_crop_and_colour_and_are_normalised(images: list[PlainImage]) -> None:
    first, again, other = (plain_sample(images[0], 3, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first["images"], again["images"])
    assert not np.array_equal(first["images"], other["images"])
    values = np.concatenate([sample["images"].reshape(-1) for sample in _samples(images)])
    assert -4 < values.mean() < 4
    assert 0.3 < values.std() < 4
    assert first["images"].shape == (3, INPUT_SIDE, INPUT_SIDE)


@pytest.mark.parametrize("side", [(3, 5), (16, 16), (40, 9), (1, 60)])
def test_radii_are_those_of_the_sampler(side: tuple[int, int]) -> None:
    assert gaussian_radius(*side) == bump_radius(*side, CONFIG.gaussian_iou)


def test_an_image_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    image = PlainImage(tmp_path / "absent.jpg", np.array([[0, 0, 9, 9, 0]], np.float32))
    with pytest.raises(OSError, match=r"absent\.jpg: cv2.imread cannot read it"):
        plain_sample(image, 1, np.random.default_rng(1))
