"""The document behind the page of images."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sampler.config.presets import preset
from sampler.dataset.dataset import Dataset, open_dataset
from sampler.stream.keys import SampleKey
from sampler.stream.substitutes import Substitutes
from service.explorer.images.listing import PAGE, image_page, image_rows, packed
from service.workers.datasets import WorkerDataset
from service.workers.protocol import ViewJob
from tests.support.coco_files import box_entry, category_entry, coco, image_entry, write_json

COUNT = 2 * PAGE + 7


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Images with their index as id. Every third one has two boxes, of which one is a crowd box; others have none."""
    boxes = [
        box_entry(2 * index + crowd, index, 1, [0, 0, 10, 10], iscrowd=crowd)
        for index in range(0, COUNT, 3)
        for crowd in (0, 1)
    ]
    content = coco([image_entry(index) for index in range(COUNT)], boxes, [category_entry(1)])
    (tmp_path / "images").mkdir()
    return open_dataset(write_json(tmp_path / "a.json", content), tmp_path / "images", tmp_path / "cache")


def listing(dataset: Dataset, first: int = 0, **options: Any) -> dict[str, Any]:
    fields = {"filter": {}, "first": first, "among": None, "substituted": False} | options
    job = ViewJob("image-page", 0, (SampleKey(0, 0, 0),), options=fields)
    document: dict[str, Any] = json.loads(image_page(WorkerDataset(dataset, preset("cornernet")), job))
    return document


def shown(document: dict[str, Any]) -> list[int]:
    return [row["index"] for row in document["rows"]]


def test_pages_follow_each_other_and_lead_back(dataset: Dataset) -> None:
    pages = [listing(dataset, first) for first in (0, PAGE, 2 * PAGE)]
    assert [index for page in pages for index in shown(page)] == list(range(COUNT))
    assert [page["previous"] for page in pages] == [None, 0, PAGE]
    assert [page["next"] for page in pages] == [PAGE, 2 * PAGE, None]
    assert {page["last"] for page in pages} == {2 * PAGE}


def test_a_page_begins_with_the_first_match_from_an_index_on(dataset: Dataset) -> None:
    document = listing(dataset, 4, filter={"crowd": True})
    assert shown(document)[:3] == [6, 9, 12]
    assert (document["before"], document["previous"]) == (2, 0)
    assert document["found"] == len(range(0, COUNT, 3))


def test_a_page_beyond_the_last_match_is_empty_and_leads_back(dataset: Dataset) -> None:
    document = listing(dataset, COUNT + 5)
    assert shown(document) == []
    assert (document["next"], document["previous"]) == (None, COUNT - PAGE)


def test_no_match_has_no_pages(dataset: Dataset) -> None:
    document = listing(dataset, filter={"find": "zebra"})
    assert (document["found"], document["previous"], document["next"], document["last"]) == (0, None, None, None)


def test_only_noted_images_are_shown_if_they_are_asked_for(dataset: Dataset) -> None:
    marked = np.zeros(COUNT, np.bool_)
    marked[[3, 8, COUNT - 1]] = True
    assert shown(listing(dataset, among=packed(marked))) == [3, 8, COUNT - 1]
    assert shown(listing(dataset, among=packed(marked), filter={"crowd": True})) == [3, COUNT - 1]


def test_only_substituted_images_are_shown_if_they_are_asked_for(dataset: Dataset) -> None:
    assert shown(listing(dataset, substituted=True)) == []
    dataset.substitutes = Substitutes((1, 5), COUNT)
    assert shown(listing(dataset, substituted=True)) == [1, 5]
    assert listing(dataset)["counts"]["substituted"] == 2


def test_counts_are_those_of_the_whole_dataset(dataset: Dataset) -> None:
    marked = len(range(0, COUNT, 3))
    counts = listing(dataset, filter={"max_boxes": 0})["counts"]
    assert counts == {
        "images": COUNT, "boxes": 2 * marked, "boxless": COUNT - marked, "crowded": marked, "substituted": 0,
    }  # fmt: skip


def test_rows_describe_images_in_the_order_of_the_keys(dataset: Dataset) -> None:
    job = ViewJob("image-rows", 0, (SampleKey(0, 0, 3), SampleKey(0, 0, 1)))
    rows = json.loads(image_rows(WorkerDataset(dataset, preset("cornernet")), job))
    assert rows == [
        {"index": 3, "id": 3, "file_name": "000000000003.jpg", "height": 48, "width": 64, "boxes": 2, "crowd": 1},
        {"index": 1, "id": 1, "file_name": "000000000001.jpg", "height": 48, "width": 64, "boxes": 0, "crowd": 0},
    ]
