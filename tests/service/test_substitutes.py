"""A server with unusable images: listed ones are replaced for each key, and nothing else changes."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from client import Batch, DigestMismatchError, SampleError, SamplerClient
from sampler.arrays import LAYOUTS
from sampler.stream.keys import SampleKey
from sampler.stream.substitutes import Substitutes
from tests.support.live_server import LiveServer, live_server
from tests.support.load_balancer import LoadBalancer
from tests.support.loading import load
from tests.support.processes import run_python
from tests.support.scenes import IMAGES, write_scenes

UNUSABLE = (2, 7, 11)
"""Indices of the images that are missing, cut off and of another size."""
IDS = [100 + 7 * index for index in UNUSABLE]
SUBSTITUTES = Substitutes(UNUSABLE, IMAGES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with unusable images, and the list of their ids that `verify` writes."""
    parent = tmp_path_factory.mktemp("unusable")
    _, images = write_scenes(parent)
    missing, cut, other = (images / f"{identity:012d}.jpg" for identity in IDS)
    missing.unlink()
    cut.write_bytes(cut.read_bytes()[:99])
    other.write_bytes((images / f"{100 + 7 * 4:012d}.jpg").read_bytes())
    data = ["--annotations", parent / "annotations.json", "--images", images, "--cache-dir", parent / "cache"]
    checked = run_python("-m", "sampler", "verify", *data, "--unusable", parent / "unusable.json", check=False)
    assert checked.returncode == 1, checked.stderr
    assert json.loads((parent / "unusable.json").read_text()) == IDS
    return parent


def settings(folder: Path, **others: object) -> dict[str, object]:
    data = {"annotations": folder / "annotations.json", "images": folder / "images"}
    return {**data, "cache_dir": folder / "cache", "workers": 2, **others}


@pytest.fixture(scope="module")
def servers(folder: Path) -> Iterator[dict[str, LiveServer]]:
    """Servers of the dataset: without substitutes, with them, and with them in a single worker."""
    listed = folder / "unusable.json"
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(live_server(folder, **settings(folder, **others)))
            for name, others in (
                ("plain", {}),
                ("substituted", {"substitute": listed}),
                ("alone", {"substitute": listed, "workers": 1, "batch_cache_mb": 0}),
            )
        }


def body(server: LiveServer, query: str) -> bytes:
    response = httpx.get(f"{server.url}/v1/batches?{query}")
    assert response.status_code == 200
    return response.content


def batch(server: LiveServer, *arguments: Any, **named: Any) -> Batch:
    with SamplerClient(server.url, attempts=2) as client:
        return client.batch(*arguments, **named)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_samples_of_usable_images_have_the_same_bytes_as_without_substitutes(
    servers: dict[str, LiveServer], layout: str
) -> None:
    usable = ",".join(str(index) for index in range(IMAGES) if index not in UNUSABLE)
    query = f"indices={usable}&seed=7&epoch=3&layout={layout}"
    assert body(servers["substituted"], query) == body(servers["plain"], query)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_worker_makes_the_same_bytes_of_substitutes(servers: dict[str, LiveServer], layout: str) -> None:
    for query in (f"seed=5&step=3&batch_size={2 * IMAGES}", "indices=11,2,7,2&seed=9&epoch=1&augment=false"):
        one, other = (body(servers[name], f"{query}&layout={layout}") for name in ("substituted", "alone"))
        assert one == other


def test_a_whole_epoch_is_served_and_each_recipe_names_its_substitute(servers: dict[str, LiveServer]) -> None:
    plain = httpx.get(f"{servers['plain'].url}/v1/spec").json()
    served = batch(servers["substituted"], seed=5, step=0, batch_size=IMAGES)
    assert sorted(key.index for key in served.keys) == list(range(IMAGES))
    for key, recipe in zip(served.keys, served.recipes, strict=True):
        image = SUBSTITUTES.image_of(key)
        assert recipe.substitute == (image if image != key.index else None)
    spec = httpx.get(f"{servers['substituted'].url}/v1/spec").json()
    assert (spec["digest"], spec["dataset"]["size"]) == (plain["digest"], IMAGES)
    assert (spec["dataset"]["substitutes"], plain["dataset"]["substitutes"]) == (3, 0)


def test_without_substitutes_an_unusable_image_fails_its_batch(servers: dict[str, LiveServer]) -> None:
    for index in UNUSABLE:
        with pytest.raises(SampleError) as caught:
            batch(servers["plain"], [index])
        assert caught.value.index == index


def test_a_client_of_one_list_refuses_a_server_of_another(servers: dict[str, LiveServer], folder: Path) -> None:
    state = next_state(servers["substituted"])
    pixels = httpx.get(f"{servers['substituted'].url}/v1/spec").json()["dataset"]["pixels"]
    assert state["pixels"] == pixels == httpx.get(f"{servers['alone'].url}/v1/spec").json()["dataset"]["pixels"]
    (folder / "fewer.json").write_text(json.dumps(IDS[:2]))
    with live_server(folder, **settings(folder, substitute=folder / "fewer.json")) as other:
        response = httpx.get(f"{other.url}/v1/batches?indices=1&pixels={pixels}")
        assert (response.status_code, response.json()["field"], response.json()["expected"]) == (412, "pixels", pixels)
        resumed = load(other.url)
        resumed.load_state_dict(state)
        with pytest.raises(DigestMismatchError, match=f"expected {pixels}, as in the state"):
            next(resumed)
    assert httpx.get(f"{servers['plain'].url}/v1/batches?indices=1&pixels={pixels}").status_code == 200


def test_a_client_never_mixes_servers_with_and_without_substitutes(servers: dict[str, LiveServer]) -> None:
    plain, substituted = servers["plain"].url, servers["substituted"].url
    for first, second, index in ((substituted, plain, 1), (plain, substituted, UNUSABLE[0])):
        with LoadBalancer(first) as balancer, SamplerClient(balancer.url) as client:
            client.spec()
            balancer.switch(second)
            with pytest.raises(DigestMismatchError) as caught:
                client.batch([index])
            assert caught.value.field == "substitutes"


def test_a_state_with_substitutes_is_not_resumed_without_them(servers: dict[str, LiveServer]) -> None:
    with load(servers["substituted"].url) as loaded:
        next(loaded)
        state = loaded.state_dict()
    assert state["substitutes"] == len(UNUSABLE)
    resumed = load(servers["plain"].url)
    resumed.load_state_dict(state)
    with pytest.raises(DigestMismatchError, match="substitutes 0: expected 3, as in the state"):
        next(resumed)


def test_a_list_of_substitutes_alone_makes_no_url_immutable(servers: dict[str, LiveServer]) -> None:
    spec = httpx.get(f"{servers['substituted'].url}/v1/spec").json()
    query = f"indices=1&digest={spec['digest']}&pixels={spec['dataset']['pixels']}"
    response = httpx.get(f"{servers['substituted'].url}/v1/batches?{query}")
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-cache")


def next_state(server: LiveServer) -> dict[str, Any]:
    with load(server.url) as loaded:
        next(loaded)
        return loaded.state_dict()


def test_the_log_counts_the_substitutes_at_the_start(servers: dict[str, LiveServer], folder: Path) -> None:
    line = f"annotations: 3 of {IMAGES} images are unusable and replaced by others, as listed in {folder}/unusable.json"
    assert line in servers["substituted"].log
    assert "are unusable" not in servers["plain"].log


def test_document_and_picture_show_the_image_that_was_used(servers: dict[str, LiveServer]) -> None:
    for name in ("substituted", "alone"):
        document = httpx.get(f"{servers[name].url}/debug/samples/7?seed=3").json()
        image = SUBSTITUTES.image_of(SampleKey(3, 0, 7))
        assert document["recipe"]["substitute"] == image
        assert document["image"]["id"] == 100 + 7 * image
        assert document["key"]["index"] == 7
        picture = httpx.get(f"{servers[name].url}/debug/samples/7.png?seed=3")
        assert picture.headers["content-type"] == "image/png"


def test_the_recipe_command_agrees_with_the_server_and_its_recipe_can_be_replayed(
    servers: dict[str, LiveServer], folder: Path, tmp_path: Path
) -> None:
    data = ["--annotations", folder / "annotations.json", "--cache-dir", folder / "cache"]
    listed = ["--substitute", folder / "unusable.json"]
    printed = run_python("-m", "sampler", "recipe", *data, *listed, "--seed", 3, "--index", 7).stdout
    served = batch(servers["substituted"], [7], seed=3)
    entry = json.loads(printed)
    assert entry["recipe"] == served.recipes[0].as_dict()
    assert entry["key"] == {"seed": 3, "epoch": 0, "index": 7}
    cases = tmp_path / "cases.json"
    cases.write_text(printed)
    run_python("-m", "sampler", "replay", cases, "--images", folder / "images", "--out", tmp_path / "out")
    with np.load(tmp_path / "out" / f"{entry['case']}.npz") as replayed:
        for name, array in served.arrays.items():
            np.testing.assert_array_equal(replayed[name][: array.shape[1]], array[0], err_msg=name)


def test_each_dataset_has_its_own_substitutes(folder: Path, tmp_path: Path) -> None:
    lines = []
    for name, more in (("train", [f"substitute = '{folder}/unusable.json'"]), ("val", [])):
        lines += [
            f"[datasets.{name}]",
            f"annotations = '{folder}/annotations.json'",
            f"images = '{folder}/images'",
            *more,
        ]
    file = tmp_path / "settings.toml"
    file.write_text("\n".join(lines))
    with live_server(tmp_path, settings=file, cache_dir=folder / "cache", workers=1) as server:
        assert httpx.get(f"{server.url}/debug/samples/2?dataset=train").status_code == 200
        assert httpx.get(f"{server.url}/debug/samples/2?dataset=val").status_code == 500


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ([100, 101], "1 of 2 ids are not image ids of this dataset: 101"),
        ([100 + 7 * index for index in range(IMAGES)], f"all {IMAGES} images are listed"),
        ({"images": []}, "is an object; expected a JSON list of image ids"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused_at_the_start(
    folder: Path, tmp_path: Path, listed: object, message: str
) -> None:
    file = tmp_path / "listed.json"
    file.write_text(json.dumps(listed))
    with pytest.raises(RuntimeError) as caught, live_server(tmp_path, **settings(folder, substitute=file)):
        pass
    assert f"cannot start: {file}: {message}" in str(caught.value)
