"""HEAD gives the status of GET at every endpoint, for requests that can be answered and for others."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.app import create_app
from tests.support.live_server import LiveServer, live_server

PATHS: dict[str, dict[str, Any]] = {path: one for path, one in create_app().openapi()["paths"].items() if "get" in one}
IN_PATH = {"index": "3", "name": "crop", "step": "2"}
REQUIRED = {
    "/v1/batches": {"indices": "1"}, "/v1/images": {"indices": "1"}, "/v1/stream": {"batch_size": "4", "stop": "1"},
    "/stats": {"samples": "9"},
}  # fmt: skip
"""Parameters without which a request is refused, or takes long."""

OF_ONE_SAMPLE = [
    path for path, one in PATHS.items() if "index" in {at["name"] for at in one["get"].get("parameters", ())}
]
READ_NO_IMAGE = ("/explore/{index}/recipe.json", "/what-if/config.json")

WRONG = ("nonsense", "-1", "")
JUNK = int(IN_PATH["index"])


@pytest.fixture(scope="module")
def damaged(scenes: tuple[Path, Path], cache_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a server whose image with index 3 is no picture."""
    folder = tmp_path_factory.mktemp("damaged")
    annotations, images = scenes
    for image in images.iterdir():
        (folder / image.name).write_bytes(image.read_bytes())
    names = [image["file_name"] for image in json.loads(annotations.read_bytes())["images"]]
    (folder / names[JUNK]).write_bytes(b"this is no picture")
    settings: dict[str, Any] = {"annotations": annotations, "images": folder, "cache_dir": cache_dir, "workers": 1}
    with live_server(tmp_path_factory.mktemp("server"), **settings) as server:
        yield server.url


def statuses(url: str, path: str, **parameters: str) -> tuple[int, int]:
    """Return the statuses of GET and HEAD. A stream is not read to its end."""
    head = httpx.head(url + path, params=parameters, timeout=60)
    with httpx.stream("GET", url + path, params=parameters, timeout=60) as get:
        assert get.headers.get("location") == head.headers.get("location")
        return get.status_code, head.status_code


@pytest.mark.parametrize("path", PATHS)
def test_head_has_the_status_of_get_whatever_a_parameter_is(server: LiveServer, path: str) -> None:
    names = [one["name"] for one in PATHS[path]["get"].get("parameters", ()) if one["in"] == "query"]
    required = REQUIRED.get(path, {})
    get, head = statuses(server.url, path.format(**IN_PATH), **required)
    assert get == head < 400
    for name in (*names, "unknown"):
        for value in WRONG:
            get, head = statuses(server.url, path.format(**IN_PATH), **required | {name: value})
            assert get == head, (name, value)


@pytest.mark.parametrize("path", [path for path in PATHS if "{" in path])
def test_head_has_the_status_of_get_whatever_the_path_is(server: LiveServer, path: str) -> None:
    for name, value in [*((name, value) for name in IN_PATH for value in ("no-such", "999999999")), ("index", "-1")]:
        get, head = statuses(server.url, path.format(**IN_PATH | {name: value}))
        assert get == head, (name, value)


@pytest.mark.parametrize("path", OF_ONE_SAMPLE)
def test_head_tells_that_an_image_cannot_be_read(damaged: str, path: str) -> None:
    parameters = {} if "{index}" in path else {"index": str(JUNK)}
    get, head = statuses(damaged, path.format(**IN_PATH), **parameters)
    assert get == head
    assert (get == 200) == (path in READ_NO_IMAGE)
