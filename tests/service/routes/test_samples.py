"""A sample's page, layers and downloads over HTTP, with what caches need."""

import io
import json
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from sampler.dataset.images.local_folder import LocalFolder
from sampler.replay import parse_cases, replay_cases
from tests.support.live_server import LiveServer
from tests.support.pages import Elements

QUERY = "seed=7&epoch=1"
FILES = ("layers/crop", "layers/tl_heats", "thumbnail", "arrays.npz", "recipe.json")


def test_a_page_and_all_its_layers_are_one_look_at_the_sample(server: LiveServer) -> None:
    page = httpx.get(f"{server.url}/explore/5?{QUERY}")
    layers = [image["href"] for image in Elements(page.text).all("image")]
    assert len(layers) > 4
    decoded = server.metric("sampler_decoded_images_total")
    for layer in layers:
        response = httpx.get(f"{server.url}{layer}")
        Image.open(io.BytesIO(response.content)).verify()
        assert response.headers["content-type"] == ("image/jpeg" if "/original?" in str(layer) else "image/png")
    assert server.metric("sampler_decoded_images_total") == decoded


@pytest.mark.parametrize("file", [*FILES, "debug"])
def test_a_client_that_has_a_file_is_told_so(server: LiveServer, file: str) -> None:
    path = f"/debug/samples/5.png?{QUERY}" if file == "debug" else f"/explore/5/{file}?{QUERY}"
    first = httpx.get(server.url + path)
    assert first.headers["cache-control"] == "no-cache"
    again = httpx.get(server.url + path, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = httpx.get(server.url + path.replace("epoch=1", "epoch=2"), headers={"if-none-match": first.headers["etag"]})
    assert other.status_code == 200


def test_tags_of_layers_differ(server: LiveServer) -> None:
    names = ("crop", "input", "tl_heats")
    assert len({httpx.head(f"{server.url}/explore/5/layers/{name}?{QUERY}").headers["etag"] for name in names}) == 3


def test_a_download_has_a_name(server: LiveServer) -> None:
    headers = httpx.head(f"{server.url}/explore/5/arrays.npz?{QUERY}&augment=false").headers
    assert headers["content-disposition"] == 'attachment; filename="sample-seed7-epoch1-index5-plain.npz"'


def test_the_downloaded_recipe_replays_to_the_downloaded_arrays(
    server: LiveServer, scenes: tuple[Path, Path], tmp_path: Path
) -> None:
    recipe = httpx.get(f"{server.url}/explore/5/recipe.json?{QUERY}").text
    [case] = parse_cases(json.loads(recipe))
    replay_cases([case], Path("recipe.json"), LocalFolder(scenes[1]), tmp_path)
    archive = httpx.get(f"{server.url}/explore/5/arrays.npz?{QUERY}").content
    with np.load(io.BytesIO(archive)) as arrays, np.load(tmp_path / f"{case.name}.npz") as replayed:
        assert [int(arrays[name]) for name in ("seed", "epoch", "index")] == [7, 1, 5]
        assert {*arrays.files} - {*replayed.files} == {"seed", "epoch", "index"}
        for name in replayed.files:
            assert (arrays[name] == replayed[name]).all()


def test_the_form_leads_to_the_index_that_it_has(server: LiveServer) -> None:
    response = httpx.get(f"{server.url}/explore?index=5&seed=7&epoch=")
    assert response.headers["location"] == "/explore/5?seed=7"
    assert httpx.get(f"{server.url}/explore?index=5").headers["location"] == "/explore/5"
    assert httpx.get(f"{server.url}/explore?index=5&layers=").headers["location"] == "/explore/5?layers="
    assert httpx.get(f"{server.url}/explore?index=x").status_code == 422


def test_a_sample_is_found_in_its_step_only(server: LiveServer) -> None:
    batch = httpx.get(f"{server.url}/explore/5?seed=7").text
    links = [str(link["href"]) for link in Elements(batch).all("a")]
    [link] = [one for one in links if one.startswith("/steps/") and "batch_size" in one]
    step = link.split("/")[2].split("?")[0]
    found = httpx.get(f"{server.url}/explore/5?seed=7&step={step}&batch_size=48")
    assert found.status_code == 200
    assert f"in step {step}" in found.text
    missing = httpx.get(f"{server.url}/explore/5?seed=7&step=999&batch_size=1")
    assert missing.status_code == 422
    assert httpx.get(f"{server.url}/explore/5?seed=7&step=0").status_code == 422


def test_an_unknown_layer_is_refused_with_those_that_there_are(server: LiveServer) -> None:
    made = server.metric("sampler_view_lookups_total")
    response = httpx.get(f"{server.url}/explore/5/layers/nothing?{QUERY}")
    assert response.status_code == httpx.head(f"{server.url}/explore/5/layers/nothing?{QUERY}").status_code == 422
    assert server.metric("sampler_view_lookups_total") == made
    assert "one of original, crop, input" in response.json()["detail"]
