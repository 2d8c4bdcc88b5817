"""The document about one sample."""

import dataclasses
import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sampler.array_table import dense_table
from sampler.config.presets import PRESETS, preset
from sampler.config_schema import SamplerConfig
from sampler.dataset.dataset import Dataset, open_dataset
from sampler.errors import InvalidRequestError
from sampler.layouts.convert import lay_out
from sampler.ops.gaussian import clear_bump, draw_bump
from sampler.ops.targets import grid_ratios
from sampler.recipe import Recipe
from sampler.sample.sample import make_sample
from sampler.stream.keys import SampleKey
from sampler.stream.substitutes import Substitutes
from sampler.survey.sampling import survey_samples
from sampler.survey.statistics import survey_statistics
from service.explorer.inspection import inspect_sample, sample_document
from service.explorer.picture.picture import recipe_lines

BOXES = (
    (1, [40, 30, 200, 260], 0),
    (1, [300, 200, 20, 14], 0),
    (1, [310, 330, 6, 5], 0),
    (2, [500, 10, 130, 300], 0),
    (2, [0, 380, 640, 90], 1),
    (2, [600, 400, 200, 200], 0),
    (2, [700, 100, 10, 10], 0),
)
"""Category, x y w h, crowd; the last one lies outside the image."""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("debug")
    rows, columns = np.mgrid[0:480, 0:640]
    picture = np.stack([columns // 3, rows // 2, (rows + columns) % 256], axis=-1).astype(np.uint8)
    for name in ("full.png", "bare.png"):
        assert cv2.imwrite(str(folder / name), picture)
    document = {
        "images": [
            {"id": 17, "file_name": "full.png", "height": 480, "width": 640},
            {"id": 18, "file_name": "bare.png", "height": 480, "width": 640},
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "naïve 犬"}],
        "annotations": [
            {"id": number, "image_id": 17, "category_id": category, "bbox": box, "iscrowd": crowd}
            for number, (category, box, crowd) in enumerate(BOXES, start=1)
        ],
    }
    (folder / "boxes.json").write_text(json.dumps(document), encoding="utf-8")
    return open_dataset(folder / "boxes.json", folder, folder / "cache")


def states(document: dict[str, Any]) -> list[str]:
    return [box["state"] for box in document["boxes"]]


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("augment", [True, False])
def test_the_document_survives_json(dataset: Dataset, name: str, index: int, augment: bool) -> None:
    document = sample_document(dataset, preset(name), SampleKey(2**64 - 1, 3, index), augment=augment)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["key"] == {"seed": 2**64 - 1, "epoch": 3, "index": index}
    assert document["augment"] is augment


@pytest.mark.parametrize("name", PRESETS)
def test_the_statistics_are_those_of_the_dense_arrays(dataset: Dataset, name: str) -> None:
    config, key = preset(name), SampleKey(7, 0, 0)
    sample = make_sample(dataset, config, key)
    dense = lay_out(sample, "dense", config, 2)
    document = sample_document(dataset, config, key)
    assert list(document["arrays"]) == [spec.name for spec in dense_table(config, 2)]
    for array_name, array in dense.items():
        statistics = document["arrays"][array_name]
        assert statistics["dtype"] == array.dtype.str
        assert statistics["shape"] == list(array.shape)
        assert (statistics["min"], statistics["max"]) == (array.min(), array.max())
        assert statistics["nonzero"] == np.count_nonzero(array)
        assert statistics["mean"] == pytest.approx(array.mean(dtype=np.float64))
    assert document["crop"]["blake2b"] == hashlib.blake2b(sample.crop.tobytes()).hexdigest()
    assert document["crop"]["shape"] == list(sample.crop.shape)


@pytest.mark.parametrize("seed", range(12))
def test_boxes_and_counts_agree_with_the_sample(dataset: Dataset, seed: int) -> None:
    config, key = preset("cornernet_saccade"), SampleKey(seed, 0, 0)
    sample = make_sample(dataset, config, key)
    document = sample_document(dataset, config, key)
    inside = [box for box in document["boxes"] if box["state"] != "outside"]
    np.testing.assert_array_equal(np.array([box["crop"] for box in inside], np.float32), sample.boxes[:, :4])
    assert [box["category"]["number"] for box in inside] == sample.boxes[:, 4].tolist()
    assert [box["state"] == "object" for box in inside] == sample.objects.tolist()
    counts = document["counts"]
    assert counts["objects"] == document["arrays"]["tag_masks"]["nonzero"]
    assert counts["objects"] + counts["ignored"] + counts["outside"] == len(BOXES)
    assert counts["outside"] == sum(box["crop"] is None for box in document["boxes"])


def test_the_reasons_of_ignored_boxes_are_those_of_the_statistics(dataset: Dataset) -> None:
    config, keys = preset("cornernet_saccade"), [SampleKey(seed, 0, 0) for seed in range(12)]
    boxes = [box for key in keys for box in sample_document(dataset, config, key)["boxes"]]
    assert {box["state"] for box in boxes if box["ignored_because"]} == {"ignored"}
    survey = survey_samples(dataset, config, keys)
    outcomes = survey_statistics(survey, config, dataset.category_names).outcomes
    found = Counter(box["ignored_because"] for box in boxes if box["state"] == "ignored")
    assert found == dict(outcomes.ignored_because)
    assert all(found.values())


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("changes", [
    {}, {"gaussian_iou": 0.9}, {"gaussian_radius": 3}, {"gaussian_bump": False},
])  # fmt: skip
def test_heatmaps_and_masks_are_drawn_with_the_radii_of_the_document(
    dataset: Dataset, name: str, changes: dict[str, Any]
) -> None:
    config, key = dataclasses.replace(preset(name), **changes), SampleKey(5, 0, 0)
    dense = lay_out(make_sample(dataset, config, key), "dense", config, 2)
    heats, valids = np.zeros_like(dense["tl_heats"]), np.ones_like(dense["tl_heats"])
    for box in sample_document(dataset, config, key)["boxes"]:
        assert (box["radius"] is None) == (box["state"] == "outside")
        if box["state"] != "outside":
            draw, planes = (draw_bump, heats) if box["state"] == "object" else (clear_bump, valids)
            x, y = (np.float32(box["crop"][:2]) * grid_ratios(config)).astype(int).tolist()
            draw(planes[box["category"]["number"] - 1], y, x, box["radius"])
    assert heats.any()
    np.testing.assert_array_equal(heats, dense["tl_heats"])
    np.testing.assert_array_equal(valids, dense.get("tl_valids", np.ones_like(valids)))


def test_all_boxes_of_the_image_are_listed_with_name_and_corners(dataset: Dataset) -> None:
    document = sample_document(dataset, preset("cornernet_saccade"), SampleKey(0, 0, 0))
    assert [box["row"] for box in document["boxes"]] == list(range(len(BOXES)))
    for found, (category, (x, y, width, height), crowd) in zip(document["boxes"], BOXES, strict=True):
        assert found["category"] == {"number": category, "name": ("cat", "naïve 犬")[category - 1]}
        assert found["original"] == [x, y, x + width, y + height]
        assert found["crowd"] is bool(crowd)


def test_a_box_outside_the_image_is_outside_of_all_saccade_crops(dataset: Dataset) -> None:
    for seed in range(6):
        document = sample_document(dataset, preset("cornernet_saccade"), SampleKey(seed, 0, 0))
        assert states(document)[-1] == "outside"


def test_dropped_crowd_boxes_are_not_listed(dataset: Dataset) -> None:
    config = SamplerConfig(**{**_fields(preset("cornernet_saccade")), "keep_crowd": False})
    document = sample_document(dataset, config, SampleKey(0, 0, 0))
    assert len(document["boxes"]) == len(BOXES) - 1
    assert not any(box["crowd"] for box in document["boxes"])


def _fields(config: SamplerConfig) -> dict[str, Any]:
    return {name: getattr(config, name) for name in config.__dataclass_fields__}


def test_the_reference_counts_only_boxes_left_after_clipping(tmp_path: Path) -> None:
    assert cv2.imwrite(str(tmp_path / "a.png"), np.full((100, 100, 3), 90, np.uint8))
    boxes = [[150, 10, 20, 20], [10, 10, 40, 40]]
    (tmp_path / "a.json").write_text(json.dumps({
        "images": [{"id": 1, "file_name": "a.png", "height": 100, "width": 100}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [{"id": i, "image_id": 1, "category_id": 1, "bbox": box} for i, box in enumerate(boxes)],
    }))  # fmt: skip
    dataset = open_dataset(tmp_path / "a.json", tmp_path, tmp_path / "cache")
    document = sample_document(dataset, preset("cornernet_saccade"), SampleKey(0, 0, 0))
    assert document["recipe"]["reference"] == 0
    assert [box["reference"] for box in document["boxes"]] == [False, True]


def test_saccade_samples_have_one_reference_and_cornernet_samples_none(dataset: Dataset) -> None:
    for name in PRESETS:
        document = sample_document(dataset, preset(name), SampleKey(5, 1, 0))
        marked = sum(box["reference"] for box in document["boxes"])
        assert marked == (name == "cornernet_saccade")


def test_the_document_holds_the_recipe_of_the_sample(dataset: Dataset) -> None:
    key = SampleKey(11, 2, 0)
    document = sample_document(dataset, preset("cornernet_saccade"), key)
    assert Recipe.parse(document["recipe"]) == make_sample(dataset, preset("cornernet_saccade"), key).recipe


def test_objects_without_a_row_in_the_tags_are_counted(dataset: Dataset) -> None:
    config = SamplerConfig(**{**_fields(preset("cornernet")), "max_objects": 1})
    document = sample_document(dataset, config, SampleKey(0, 0, 0))
    assert document["counts"]["untagged"] == document["counts"]["objects"] - 1 > 0
    assert document["arrays"]["tag_masks"]["nonzero"] == 1


def test_an_image_without_boxes_has_an_empty_list_and_blank_targets(dataset: Dataset) -> None:
    document = sample_document(dataset, preset("cornernet_saccade"), SampleKey(0, 0, 1))
    assert document["boxes"] == []
    assert document["counts"] == {"objects": 0, "ignored": 0, "outside": 0, "untagged": 0}
    assert document["arrays"]["tl_heats"]["max"] == 0
    assert document["arrays"]["tl_valids"]["min"] == 1


def test_an_unusable_image_is_shown_as_its_substitute(dataset: Dataset) -> None:
    substituted = dataset.with_decoded()
    substituted.substitutes = Substitutes((1,), 2)
    config, key = PRESETS["cornernet_saccade"], SampleKey(5, 0, 1)
    document = sample_document(substituted, config, key)
    assert (document["key"]["index"], document["recipe"]["substitute"]) == (1, 0)
    assert (document["image"]["id"], document["image"]["file_name"]) == (17, "full.png")
    assert len(document["boxes"]) == len(BOXES)
    lines = recipe_lines(inspect_sample(substituted, config, key))
    assert lines[0] == ("substitute", "index 0, because index 1 is unusable")
    assert "substitute" not in dict(recipe_lines(inspect_sample(dataset, config, key)))


def test_an_unknown_index_is_refused(dataset: Dataset) -> None:
    with pytest.raises(InvalidRequestError, match="index = 2"):
        inspect_sample(dataset, preset("cornernet"), SampleKey(0, 0, 2))
