"""Pages name the folder of an image, and not where it is on the host."""

from pathlib import Path

import httpx
import pytest

from service.image_folders import ImageFolders
from tests.support.live_server import LiveServer
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
