"""Pages name the folder of an image, and not where it is on the host."""

import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.image_folders import ImageFolders
from tests.support.coco_files import small_coco, write_dataset
from tests.support.live_server import LiveServer, live_server
from tests.support.pages import Elements


@pytest.mark.parametrize(("locations", "name", "path"), [
    ([Path("/data/coco/val2017")], "a/1.jpg", "val2017/a/1.jpg"),
    (["s3://bucket/coco/val2017/"], "1.jpg", "val2017/1.jpg"),
    (["s3://bucket"], "1.jpg", "bucket/1.jpg"),
    ([Path(), ], "1.jpg", "1.jpg"),
    ([Path("/x/train2014"), Path("/y/val2014")], "1/a/1.jpg", "val2014/a/1.jpg"),
])  # fmt: skip
def test_an_image_has_a_path_from_its_folder_on(locations: list[Path | str], name: str, path: str) -> None:
    folders = ImageFolders.of(locations)
    assert folders.path(name) == path
    assert folders.file_name(path) == name
    assert folders.file_name("1.jpg") == "1.jpg"
    assert folders.file_name("other/1.jpg") == "other/1.jpg"


LEADS_OUT = "image 1 (/data/val2017/1.jpg): a link leads out of the image folder"


@pytest.mark.parametrize(("locations", "text", "shown"), [
    (["/data/val2017"], "image 1 (/data/val2017/a/1.jpg): empty", "image 1 (val2017/a/1.jpg): empty"),
    (["/data/val2017"], "/data/val2017/1.jpg", "val2017/1.jpg"),
    (["/data/val2017"], "/data/val2017: cannot be listed", "val2017: cannot be listed"),
    (["/data/val2017"], "/data/val2017-old/1.jpg", "/data/val2017-old/1.jpg"),
    (["/data/val", "/data/val/2"], "image 1 (/data/val/2/1.jpg): empty", "image 1 (2/1.jpg): empty"),
    (["/data/new\nline\\1"], r"image 1 (/data/new\nline\1/1.jpg): empty", r"image 1 (new\nline\1/1.jpg): empty"),
    (["data/val"], "image 1 (data/val/1.jpg): empty", "image 1 (val/1.jpg): empty"),
    ([".."], "image 1 (../1.jpg): empty", "image 1 (1.jpg): empty"),
    (["."], "image 1 (1.jpg): e.g. empty.", "image 1 (1.jpg): e.g. empty."),
    (["/"], "image 1 (/1.jpg): empty", "image 1 (/1.jpg): empty"),
    (["/data/val2017"], f"{LEADS_OUT}, to /root/1.jpg; copy the file", "image 1 (val2017/1.jpg): a link leads out of "
     "the image folder; copy the file"),
])  # fmt: skip
def test_errors_name_an_image_in_the_same_way(locations: list[str], text: str, shown: str) -> None:
    assert ImageFolders.of([Path(location) for location in locations]).without_locations(text) == shown


def test_errors_name_an_object_in_the_same_way() -> None:
    folders = ImageFolders.of(["s3://bucket/coco/val2017/"])
    text = "image 1 (s3://bucket/coco/val2017/1.jpg): there is no such object"
    assert folders.without_locations(text) == "image 1 (val2017/1.jpg): there is no such object"


def test_two_folders_of_one_name_are_both_searched() -> None:
    folders = ImageFolders.of([Path("/x/images"), Path("/y/images")])
    assert folders.path("1/a.jpg") == "images/a.jpg"
    assert folders.file_name("images/a.jpg") == "a.jpg"


@pytest.mark.parametrize(("text", "beginnings"), [
    ("val2017", ["1/"]), ("VAL2017/", ["1/"]), ("2017", ["0/", "1/"]), ("7/00", ["0/00", "1/00"]),
    ("val2017/0001", ["1/0001"]), ("cat", []), ("l2017/a/b", ["1/a/b"]),
])  # fmt: skip
def test_a_text_that_begins_in_the_name_of_a_folder_finds_files_in_it(text: str, beginnings: list[str]) -> None:
    assert list(ImageFolders(("train2017", "val2017")).beginnings(text)) == beginnings
    assert ImageFolders(("",)).beginnings(text) == ()


def test_the_images_of_one_of_two_folders_are_named_and_found_by_it(tmp_path: Path) -> None:
    content = small_coco()
    for entry in (*content["images"], *content["annotations"]):
        entry["image_id" if "image_id" in entry else "id"] += 1
    sources = [write_dataset(tmp_path / "0"), write_dataset(tmp_path / "1", content)]
    folders = [images.rename(tmp_path / name) for (_, images), name in zip(sources, ("train", "val"), strict=True)]
    settings = {
        "annotations": json.dumps([str(annotations) for annotations, _ in sources]),
        "images": json.dumps([str(folder) for folder in folders]),
    }
    with live_server(tmp_path, cache_dir=tmp_path / "cache", workers=1, **settings) as server:
        names = names_of_tiles(server, "/steps/0?batch_size=6")
        assert {name.partition("/")[0] for name in names} == {"train", "val"}
        every = names_of_tiles(server, "/images")
        for text in ("val", "VAL/", "al/0000", "val/0000"):
            found = names_of_tiles(server, f"/images?find={text}")
            assert found == [name for name in every if text.lower() in name], text
            assert len(found) == 3
        assert names_of_tiles(server, f"/images?find={every[4]}") == [every[4]]


def names_of_tiles(server: LiveServer, path: str) -> list[str]:
    page = Elements(httpx.get(server.url + path, timeout=60).raise_for_status().text)
    return [str(one["title"]) for one in page.all("span") if one.get("class") == "name"]


def test_pages_show_the_path_from_the_folder_on_which_also_finds_the_image(
    server: LiveServer, scenes: tuple[Path, Path]
) -> None:
    folder = scenes[1]
    image = httpx.get(f"{server.url}/v1/images?indices=5").json()["images"][0]["file_name"]
    path = f"{folder.name}/{image}"
    for page in ("explore/5", "compare?index=5", "images", "steps/0?batch_size=24"):
        html = httpx.get(f"{server.url}/{page}", timeout=60).text
        assert path in html, page
        assert str(folder.parent) not in html, page
    found = httpx.get(f"{server.url}/images", params={"find": path}).text
    tiles = [one for one in Elements(found).all("a") if one.get("class") == "tile"]
    assert [str(one["href"]).partition("?")[0] for one in tiles] == ["/explore/5"]


VIEWS = (
    "explore/{}", "explore/{}/thumbnail", "explore/{}/layers/crop", "explore/{}/arrays.npz", "compare?index={}",
    "what-if?index={}", "images/{}/thumbnail", "debug/samples/{}", "debug/samples/{}.png",
)  # fmt: skip
EMPTY, OUTSIDE = 1, 2


@pytest.fixture(scope="module")
def broken(
    scenes: tuple[Path, Path], cache_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[LiveServer, Path]]:
    """A server with an empty image and one that is a link out of the folder; and the path to its folder."""
    annotations, images = scenes
    folder = tmp_path_factory.mktemp("host") / "val2017"
    shutil.copytree(images, folder)
    names = [image["file_name"] for image in json.loads(annotations.read_bytes())["images"]]
    (folder / names[EMPTY]).write_bytes(b"")
    (folder / names[OUTSIDE]).unlink()
    (folder / names[OUTSIDE]).symlink_to(images / names[OUTSIDE])
    settings: dict[str, Any] = {"annotations": annotations, "images": folder, "cache_dir": cache_dir, "workers": 1}
    with live_server(tmp_path_factory.mktemp("server"), **settings) as server:
        yield server, folder


@pytest.mark.parametrize("index", [EMPTY, OUTSIDE])
def test_visitors_are_not_told_where_an_image_is_that_cannot_be_read(
    broken: tuple[LiveServer, Path], scenes: tuple[Path, Path], index: int
) -> None:
    server, folder = broken
    for accept in ("text/html", "application/json"):
        for view in VIEWS:
            response = httpx.get(f"{server.url}/{view.format(index)}", headers={"accept": accept}, timeout=60)
            assert f"image {index} (val2017/" in response.text, view
            assert str(folder.parent) not in response.text, view
            assert str(scenes[1]) not in response.text, view
    received = bytearray()
    url = f"{server.url}/v1/batches?indices={index}"
    with suppress(httpx.RemoteProtocolError), httpx.stream("GET", url, timeout=60) as batch:  # it ends early
        for part in batch.iter_bytes():
            received += part
    assert str(folder).encode() in received, "a trainer is told"
    for page in ("status", "status.json"):
        text = httpx.get(f"{server.url}/{page}").text
        assert f"image {index} (val2017/" in text
        assert str(folder.parent) not in text
        assert str(scenes[1]) not in text
    assert str(folder) in server.log
