"""`/v1/images`: images with their annotations, exactly as in the file."""

from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import httpx
import pytest

from client import Annotation, ImageInfo, SamplerClient
from tests.support.coco_files import box_entry, category_entry, coco, image_entry, small_coco, write_dataset
from tests.support.live_server import LiveServer, live_server

BBOX = [0.1, 0.2, 10.700000000000001, 1 / 3]


def with_text_ids() -> dict[str, Any]:
    """A dataset whose image ids are strings, with areas, a crowd box and a name beyond ASCII."""
    return coco(
        [image_entry(10, file_name="ü.jpg") | {"id": "10"}, image_entry(9) | {"id": "9"}],
        [
            box_entry(7, 1, 44, [3, 4, 5, 6], area=1e-17, iscrowd=1) | {"image_id": "9"},
            box_entry(8, 1, 3, [4, 5, 6, 7]) | {"image_id": "9"},
        ],
        [category_entry(44, "sheep"), category_entry(3, "cat") | {"supercategory": "animal"}],
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server of two datasets."""
    folder = tmp_path_factory.mktemp("images")
    content = small_coco()
    content["annotations"][1]["bbox"] = BBOX
    lines = []
    for name, written in (("train", content), ("val", with_text_ids())):
        annotations, images = write_dataset(folder / name, written)
        lines += [f"[datasets.{name}]", f"annotations = '{annotations}'", f"images = '{images}'"]
    settings = folder / "settings.toml"
    settings.write_text("\n".join(lines))
    with live_server(folder, settings=settings, cache_dir=folder / "cache", workers=1, max_batch=2) as running:
        yield running


def test_images_come_with_exactly_the_values_of_the_file(server: LiveServer) -> None:
    with SamplerClient(server.url) as client:
        images = client.images([2, 0, 1, 0])  # more than the largest batch
    assert [(image.index, image.id, image.height, image.width) for image in images] == [
        (2, 30, 48, 64), (0, 10, 40, 80), (1, 20, 48, 64), (0, 10, 40, 80)
    ]  # fmt: skip
    assert [image.file_name for image in images[:3]] == [f"{number:012d}.jpg" for number in (30, 10, 20)]
    assert images[1] == images[3]
    assert images[2].annotations == ()
    by_id = {one.id: one for image in images for one in image.annotations}
    assert by_id[4] == Annotation(4, 7, (0.1, 0.2, 10.700000000000001, 1 / 3), None, False)
    assert {one.id for one in images[0].annotations} == {5, 3, 2}
    assert [one.id for one in images[0].annotations if one.crowd] == [2]


def test_another_dataset_has_its_own_images_and_ids_may_be_text(server: LiveServer) -> None:
    with SamplerClient(server.url, dataset="val") as client:
        assert client.images(range(2)) == (
            ImageInfo(0, "10", "ü.jpg", 48, 64, ()),
            ImageInfo(
                1, "9", "000000000009.jpg", 48, 64,
                (Annotation(8, 3, (4, 5, 6, 7), None, False), Annotation(7, 44, (3, 4, 5, 6), 1e-17, True)),
            ),
        )  # fmt: skip


def test_the_spec_converts_categories_of_samples_into_those_of_the_file(server: LiveServer) -> None:
    with SamplerClient(server.url, dataset="val") as client:
        spec = client.spec()
        assert spec.category_ids == (3, 44)
        assert spec.category_names == ("cat", "sheep")
        assert spec.supercategories == ("animal", "thing")
        boxes = httpx.get(f"{server.url}/debug/samples/1?dataset=val&augment=false").json()["boxes"]
        [image] = client.images([1])
    found = [spec.category_ids[box["category"]["number"] - 1] for box in boxes]
    assert found == [one.category_id for one in image.annotations] == [3, 44]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "indices"),
        ("indices=0,3", "indices[1]"),
        ("indices=-1", "indices[0]"),
        ("indices=0,1,2", "indices"),
        ("indices=0&dataset=test", "dataset"),
        ("indices=0&seed=3", "seed"),
        ("indices=0&dataset=val&dataset=train", "dataset"),
    ],
)
def test_an_invalid_request_is_refused_by_name(server: LiveServer, query: str, field: str) -> None:
    response = httpx.get(f"{server.url}/v1/images?{query}")
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == field


def test_another_digest_is_refused(server: LiveServer) -> None:
    response = httpx.get(f"{server.url}/v1/images?indices=0&digest=0123")
    assert response.status_code == 412
    assert response.json()["expected"] == "0123"


def test_documents_carry_their_digest(server: LiveServer) -> None:
    for path in ("/v1/spec", "/v1/images?indices=0,1"):
        response = httpx.get(server.url + path)
        assert (
            response.headers["content-digest"] == f"sha-256=:{b64encode(sha256(response.content).digest()).decode()}:"
        )
