"""One server serves several datasets, each with its own spec, digest and samples."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from service.settings.load import SettingsError, load_settings
from tests.support.live_server import LiveServer, failure, live_server
from tests.support.pages import Elements
from tests.support.scenes import write_scenes

STEP = "/v1/batches?seed=3&step=5&batch_size=4"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """Annotation file and image folder of two datasets."""
    parent = tmp_path_factory.mktemp("datasets")
    return {name: write_scenes(parent / name) for name in ("train", "val")}


@pytest.fixture(scope="module")
def settings_file(folders: dict[str, tuple[Path, Path]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the settings of both."""
    lines = ["keep_crowd = false", "workers = 2"]
    for name, (annotations, images) in folders.items():
        lines += [f"[datasets.{name}]", f"annotations = '{annotations}'", f"images = '{images}'"]
    lines += ['config = "cornernet"', "keep_crowd = true"]
    file = tmp_path_factory.mktemp("settings") / "settings.toml"
    file.write_text("\n".join(lines))
    return file


@pytest.fixture(scope="module")
def server(settings_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server of both, with one pool of workers."""
    folder = tmp_path_factory.mktemp("server")
    with live_server(folder, settings=settings_file, cache_dir=folder / "cache") as running:
        yield running


def spec(server: LiveServer, query: str = "") -> dict[str, object]:
    response = httpx.get(f"{server.url}/v1/spec{query}")
    assert response.status_code == 200
    return dict(response.json())


def test_the_first_dataset_is_the_default_and_each_has_its_own_spec(server: LiveServer) -> None:
    train, val = spec(server, "?dataset=train"), spec(server, "?dataset=val")
    assert spec(server) == train
    assert train["datasets"] == val["datasets"] == ["train", "val"]
    assert [(one["dataset"]["name"], one["config"]["name"], one["config"]["keep_crowd"]) for one in (train, val)] == [  # type: ignore[index] # nested JSON
        ("train", "cornernet_saccade", False), ("val", "cornernet", True),
    ]  # fmt: skip
    assert train["digest"] != val["digest"]


def test_links_to_another_dataset_keep_the_changes_that_its_config_can_have(server: LiveServer) -> None:
    def other(path: str) -> str:
        page = Elements(httpx.get(server.url + path, headers={"accept": "text/html"}, timeout=60).text)
        return next(str(link["href"]) for link in page.all("a") if link.get("id") == "dataset-val")

    what_if = other("/what-if?dataset=train&index=5&gaussian_iou=0.6&att_to_0=200")
    compare = other("/compare?dataset=train&index=5&left_changes=att_to_0%3D200&right_config=dataset%3Aval")
    assert what_if == "/what-if?dataset=val&index=5&seed=0&epoch=0&augment=true&gaussian_iou=0.6"
    assert compare == (
        "/compare?dataset=val&index=5&left_seed=0&left_epoch=0&left_augment=true"
        "&right_seed=0&right_epoch=0&right_augment=true"
    )
    for path in (what_if, compare):
        assert httpx.get(server.url + path, headers={"accept": "text/html"}, timeout=60).status_code == 200


def test_a_changed_config_is_exported_for_its_dataset(server: LiveServer) -> None:
    page = httpx.get(f"{server.url}/what-if?dataset=val&gaussian_iou=0.6", timeout=60).text
    assert '[datasets.val]\nconfig = "cornernet_what_if.json"</pre>' in page
    assert "SAMPLER_CONFIG=" not in page


def test_each_dataset_has_the_samples_of_a_server_of_its_own(
    server: LiveServer, folders: dict[str, tuple[Path, Path]], tmp_path: Path
) -> None:
    annotations, images = folders["val"]
    alone = {"annotations": annotations, "images": images, "config": "cornernet", "cache_dir": tmp_path / "cache"}
    with live_server(tmp_path, workers=1, **alone) as single:
        expected = httpx.get(f"{single.url}{STEP}").content
        refused = httpx.get(f"{single.url}{STEP}&dataset=val")
    assert "the server's only dataset has none; leave dataset out" in refused.json()["detail"]
    assert httpx.get(f"{server.url}{STEP}&dataset=val").content == expected
    assert httpx.get(f"{server.url}{STEP}&dataset=train").content != expected
    stream = httpx.get(f"{server.url}/v1/stream?seed=3&start=5&stop=6&batch_size=4&dataset=val").content
    body = {"seed": 3, "step": 5, "batch_size": 4, "dataset": "val"}
    assert stream == httpx.post(f"{server.url}/v1/batches", json=body).content == expected


def test_the_samples_of_each_dataset_can_be_looked_at(server: LiveServer) -> None:
    for name, config in (("train", "cornernet_saccade"), ("val", "cornernet")):
        seen = httpx.get(f"{server.url}/debug/samples/2?dataset={name}").json()
        assert seen["config"] == config
        assert httpx.get(f"{server.url}/debug/samples/2.png?dataset={name}").headers["content-type"] == "image/png"
        page = httpx.get(f"{server.url}/explore/2?dataset={name}").text
        assert re.search(f'id="dataset-{name}" href="[^"]*" aria-current="true"', page)
        assert f"/debug/samples/2.png?dataset={name}&amp;seed=0" in page


def test_an_unknown_dataset_is_refused_with_the_names_that_exist(server: LiveServer) -> None:
    for place in ("/v1/spec?dataset=test", f"{STEP}&dataset=test", "/debug/samples/1?dataset=test"):
        response = httpx.get(f"{server.url}{place}")
        assert response.status_code == 422
        assert "dataset = 'test': expected one of train, val" in response.json()["detail"]


def test_a_misspelt_parameter_does_not_give_the_default_dataset(server: LiveServer) -> None:
    response = httpx.get(f"{server.url}/v1/spec?datset=val")
    assert response.status_code == 422
    assert "datset = 'val': expected no such parameter" in response.json()["detail"]


@pytest.mark.parametrize(("text", "expected"), [
    ("[datasets.a]\nconfig = 'cornernet'", "datasets.a: annotations and images are not set"),
    ("[datasets.a]\nannotations = 'a.json'", "datasets.a: images is not set; each dataset needs annotations and"),
    ("[datasets.a]\nannotations = []\nimages = '.'", r"datasets.a.annotations = \[\]: expected at least one path"),
    ("[datasets.a]\nanotations = 'a.json'", "datasets.a.anotations: no such setting; did you mean annotations"),
    ("[datasets.'a b']\nannotations = 'a.json'\nimages = '.'", "datasets.a b = "),
    ("images = '.'\nannotations = 'a.json'\n[datasets.a]\nannotations = 'a.json'\nimages = '.'",
     r"SAMPLER_ANNOTATIONS, SAMPLER_IMAGES: set together with \[datasets"),
    ("subset = 'ids.json'\n[datasets.a]\nannotations = 'a.json'\nimages = '.'",
     r"SAMPLER_SUBSET: set together with \[datasets"),
])  # fmt: skip
def test_invalid_settings_of_datasets_are_named(
    text: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(text)
    monkeypatch.setenv("SAMPLER_SETTINGS", str(file))
    with pytest.raises(SettingsError, match=expected):
        load_settings()


def test_an_error_at_the_start_names_the_dataset(folders: dict[str, tuple[Path, Path]], tmp_path: Path) -> None:
    (annotations, images), file = folders["train"], tmp_path / "settings.toml"
    paths = f"annotations = '{annotations}'\nimages = '{images}'\n"
    file.write_text(f"workers = 1\n[datasets.train]\n{paths}[datasets.val]\n{paths}config = 'nowhere.json'\n")
    line = failure(tmp_path, settings=file, cache_dir=tmp_path / "cache")
    assert "datasets.val: nowhere.json: cannot be read" in line


def targets(server: LiveServer, page: str) -> dict[str, str]:
    """Return the links of a page by their ids."""
    response = httpx.get(f"{server.url}{page}", headers={"accept": "text/html"}, timeout=60)
    assert response.status_code == 200, response.text
    return {str(link["id"]): str(link["href"]) for link in Elements(response.text).all("a") if link.get("id")}


@pytest.mark.parametrize("path", ["/explore/5?", "/compare?index=5&", "/what-if?index=5&"])
def test_links_to_another_dataset_name_only_layers_that_it_has(server: LiveServer, path: str) -> None:
    has_both = path.startswith("/compare")  # whose samples may have the config of either
    for layers, there in (
        ("tl_heats,tl_valids", ["tl_heats,tl_valids" if has_both else "tl_heats"]),
        ("tl_valids", ["tl_valids"] if has_both else None),
        ("", [""]),
    ):
        target = targets(server, f"{path}dataset=train&layers={layers}")["dataset-val"]
        assert parse_qs(urlsplit(target).query, keep_blank_values=True).get("layers") == there
        targets(server, target)


def test_layers_that_only_another_config_has_are_left_out_of_links_to_served_samples(server: LiveServer) -> None:
    found = targets(server, "/compare?index=5&dataset=val&right_config=cornernet_saccade&layers=crop,tl_valids")
    for name in ("what-if", "left-sample"):
        assert parse_qs(urlsplit(found[name]).query)["layers"] == ["crop"]
