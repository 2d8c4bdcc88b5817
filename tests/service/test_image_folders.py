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


def test_pages_show_the_path_from_the_folder_on_which_also_finds_the_image(
    server: LiveServer, scenes: tuple[Path, Path]
) -> None:
    folder = scenes[1]
    image = httpx.get(f"{server.url}/v1/images?indices=5").json()["images"][0]["file_name"]
    path = f"{folder.name}/{image}"
    for page in ("explore/5", "compare?index=5", "images"):
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
