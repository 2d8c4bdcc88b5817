"""Two documents of samples become rows that say what differs."""

import dataclasses
from typing import Any

import pytest
from jinja2 import Environment, PackageLoader

from sampler.config.presets import PRESETS
from sampler.config_schema import SamplerConfig
from sampler.dataset.dataset import Dataset, open_dataset
from sampler.stream.keys import SampleKey
from service.explorer.inspection import sample_document
from service.explorer.side_by_side.differences import STATES, Differences, differences
from service.image_folders import ImageFolders
from service.words import count
from tests.support.scenes import EMPTY, write_scenes

SACCADE, CORNERNET = PRESETS["cornernet_saccade"], PRESETS["cornernet"]
CROWDED = 7
LARGE = 150
"""Pixels of the crop; some boxes are smaller."""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("scenes")
    return open_dataset(*write_scenes(folder), folder / "cache")


def document(dataset: Dataset, config: SamplerConfig = SACCADE, index: int = CROWDED, epoch: int = 0) -> dict[str, Any]:
    return sample_document(dataset, config, SampleKey(3, epoch, index))


def compared(left: dict[str, Any], right: dict[str, Any], *configs: SamplerConfig) -> Differences:
    return differences(left, right, (SACCADE, *configs))


def test_a_sample_does_not_differ_from_itself(dataset: Dataset) -> None:
    found = compared(document(dataset), document(dataset))
    assert found.are_none
    assert found.equal_boxes == len(document(dataset)["boxes"])


def test_another_epoch_differs_in_its_recipe(dataset: Dataset) -> None:
    found = compared(document(dataset), document(dataset, epoch=1))
    differing = {row.name for row in found.recipe if row.differs}
    assert {"scale", "centre", "brightness"} <= differing
    assert "image" not in differing
    assert not found.are_none


def test_an_image_is_named_by_its_path_from_its_folder_on(dataset: Dataset) -> None:
    left = document(dataset)
    left["image"] = left["image"] | {"file_name": "1/a.jpg"}
    found = differences(left, left, (SACCADE,), ImageFolders(("train2017", "val2017")))
    assert [row.left for row in found.recipe if row.name == "image"] == ["val2017/a.jpg"]


def test_below_a_list_that_ends_early_is_how_many_boxes_there_are(dataset: Dataset) -> None:
    found = compared(document(dataset), document(dataset, dataclasses.replace(SACCADE, min_scale=LARGE)))
    cut = dataclasses.replace(found, boxes=found.boxes[:1], other_states=121)
    templates = Environment(loader=PackageLoader("service", "explorer"), autoescape=True)
    templates.filters["counted"] = count
    show = templates.get_template("side_by_side/differences.html").module.differences  # type: ignore[attr-defined] # a macro
    last = str(show(cut, ("left", "right"), STATES)).rpartition("</table>")[2]
    assert "The first 1 of 121 boxes are listed." in last.partition("</div>\n    </div>")[0]
    assert "are listed" not in show(found, ("left", "right"), STATES)


def test_boxes_that_a_larger_least_size_makes_ignored_are_listed(dataset: Dataset) -> None:
    larger = dataclasses.replace(SACCADE, min_scale=LARGE)
    left, right = document(dataset), document(dataset, larger)
    found = compared(left, right, larger)
    assert {(row.left.state, row.right.state) for row in found.boxes} == {("object", "ignored")}
    assert {(row.left.reason, row.right.reason) for row in found.boxes} == {(None, "too small")}
    objects = [box for box in left["boxes"] if box["state"] == "object"]
    small = [box for box in objects if max(box["crop"][2] - box["crop"][0], box["crop"][3] - box["crop"][1]) < LARGE]
    assert found.other_boxes == len(found.boxes) == len(small) > 0
    assert not any(row.differs for row in found.recipe)
    counts = {row.name: (row.left, row.right) for row in found.counts}
    assert counts["objects"] == (str(len(objects)), str(len(objects) - len(small)))
    before, after = map(int, counts["cells without loss (tl_valids)"])
    assert after > before


def test_boxes_that_lose_their_tags_are_listed(dataset: Dataset) -> None:
    few = dataclasses.replace(SACCADE, max_objects=1)
    left, right = document(dataset, index=6), document(dataset, few, index=6)
    found = compared(left, right, few)
    assert {(row.left.state, row.right.state) for row in found.boxes} == {("object", "untagged")}
    assert found.other_states == right["counts"]["untagged"] > left["counts"]["untagged"] == 0


@pytest.mark.parametrize("changes", [{"gaussian_iou": 0.9}, {"gaussian_radius": 9}, {"gaussian_bump": False}])
def test_boxes_whose_bumps_have_another_radius_are_listed(dataset: Dataset, changes: dict[str, Any]) -> None:
    other = dataclasses.replace(SACCADE, **changes)
    left, right = document(dataset), document(dataset, other)
    found = compared(left, right, other)
    expected = [
        (one["radius"], two["radius"])
        for one, two in zip(left["boxes"], right["boxes"], strict=True)
        if one["radius"] != two["radius"]
    ]
    assert [(row.left.radius, row.right.radius) for row in found.boxes] == expected != []
    assert (found.other_states, found.other_radii) == (0, len(expected))
    assert found.equal_boxes == len(left["boxes"]) - len(expected)
    assert not found.are_none


def test_boxes_with_another_state_come_before_those_with_another_radius(dataset: Dataset) -> None:
    other = dataclasses.replace(SACCADE, min_scale=LARGE, gaussian_iou=0.9)
    found = compared(document(dataset), document(dataset, other), other)
    assert min(found.other_states, found.other_radii) > 0
    assert [row.has_other_state for row in found.boxes] == [True] * found.other_states + [False] * found.other_radii


def test_crowd_boxes_that_a_config_drops_are_listed_and_the_others_keep_their_partners(dataset: Dataset) -> None:
    without = dataclasses.replace(SACCADE, keep_crowd=False)
    for index in range(len(dataset)):
        crowd = int(dataset.crowd(index).sum())
        left, right = document(dataset, index=index), document(dataset, without, index)
        left["boxes"] = [box | {"state": "object", "radius": None} for box in left["boxes"]]
        right["boxes"] = [box | {"state": "object", "radius": None} for box in right["boxes"]]
        found = compared(left, right)
        assert [row.right.state for row in found.boxes] == ["dropped"] * crowd
        assert found.equal_boxes == len(dataset.boxes(index)) - crowd


def test_families_are_compared_in_what_both_have_and_in_what_one_has(dataset: Dataset) -> None:
    found = compared(document(dataset), document(dataset, CORNERNET), CORNERNET)
    counts = {row.name: row for row in found.counts}
    assert counts["cells without loss (tl_valids)"].right == "—"
    assert counts["cells above 0 (tl_heats)"].right != "—"


def test_boxes_of_different_images_are_not_compared(dataset: Dataset) -> None:
    found = compared(document(dataset), document(dataset, index=EMPTY))
    assert not found.same_image
    assert found.boxes == ()
    assert not found.are_none
