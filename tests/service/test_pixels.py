"""Servers whose image hashes are recorded: other pixels under the same names are an error, never a wrong batch."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import numpy as np
import pytest

from client.errors import ClientError, DigestMismatchError
from client.sync_client import SamplerClient
from sampler.dataset.dataset import Dataset, open_dataset
from sampler.dataset.images.hashes import hashes_file
from sampler.version import VERSION
from tests.support.coco_files import image_file, write_jpeg
from tests.support.file_changes import flip_a_byte
from tests.support.hashes import record
from tests.support.live_server import LiveServer, live_server, until
from tests.support.load_balancer import LoadBalancer
from tests.support.pages import Elements
from tests.support.stores import write_store
from tests.support.wire_client import body, get_spec

Files = tuple[Path, Path]


def other_pictures(scenes: Files, folder: Path) -> Files:
    """The same annotations and names with other pictures of the same sizes."""
    shutil.copytree(scenes[1], folder)
    dataset = open_dataset(scenes[0], folder, folder.parent / "other-cache")
    for index in range(len(dataset)):
        height, width = dataset.size(index)
        write_jpeg(image_file(dataset, index), width, height, seed=500 + index)
    return scenes[0], folder


def hashed(files: Files, cache_dir: Path) -> Dataset:
    record(open_dataset(*files, cache_dir), cache_dir)
    return open_dataset(*files, cache_dir)


@pytest.fixture
def two(scenes: Files, tmp_path: Path) -> Iterator[tuple[LiveServer, LiveServer]]:
    """Two servers with recorded hashes, the same annotations and other pictures."""
    with ExitStack() as stack:
        servers = []
        for name, files in (("one", scenes), ("two", other_pictures(scenes, tmp_path / "pictures"))):
            hashed(files, tmp_path / name)
            settings = {"annotations": files[0], "images": files[1], "cache_dir": tmp_path / name, "workers": 1}
            servers.append(stack.enter_context(live_server(tmp_path, **settings)))
        yield servers[0], servers[1]


def test_two_servers_with_other_pictures_are_told_apart(two: tuple[LiveServer, LiveServer]) -> None:
    one, other = (get_spec(server.url) for server in two)
    assert one.digest == other.digest
    assert one.pixels is not None
    assert other.pixels is not None
    assert one.pixels != other.pixels
    for query in ("indices=1,2", "step=3&batch_size=8"):
        pinned = f"{query}&digest={one.digest}&pixels={one.pixels}"
        right = httpx.get(f"{two[0].url}/v1/batches?{pinned}")
        assert (right.status_code, right.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
        wrong = httpx.get(f"{two[1].url}/v1/batches?{pinned}")
        assert wrong.status_code == 412
        problem = wrong.json()
        assert problem["type"].endswith(":digest-mismatch")
        assert (problem["field"], problem["expected"], problem["actual"]) == ("pixels", one.pixels, other.pixels)
        assert "the image files or the substitutes differ" in problem["detail"]
        half = httpx.get(f"{two[0].url}/v1/batches?{query}&digest={one.digest}")
        assert half.headers["cache-control"] == "no-cache", "the URL may reach a server with other pictures"
    assert httpx.get(f"{two[1].url}/v1/stream?batch_size=4&stop=1&pixels={one.pixels}").status_code == 412
    assert httpx.get(f"{two[1].url}/debug/samples/1?pixels={one.pixels}").status_code == 412
    tags = {httpx.get(f"{server.url}/v1/batches?indices=1").headers["etag"] for server in two}
    assert len(tags) == 2


VIEWS = ("explore/1/layers/crop", "explore/1/thumbnail", "images/1/thumbnail", "explore/1/arrays.npz",
         "explore/1/recipe.json", "debug/samples/1.png", "debug/samples/1", "compare/1/thumbnail")  # fmt: skip


def test_what_a_page_shows_is_immutable_only_if_its_url_names_the_version_that_drew_it(
    two: tuple[LiveServer, LiveServer],
) -> None:
    url, spec = two[0].url, get_spec(two[0].url)
    for view in VIEWS:
        pinned = f"{url}/{view}?digest={spec.digest}&pixels={spec.pixels}"
        got = {version: httpx.get(f"{pinned}{version}") for version in ("", "&version=0.0.1", f"&version={VERSION}")}
        assert {one.status_code for one in got.values()} == {200}
        assert len({one.content for one in got.values()}) == 1
        assert [one.headers["cache-control"] for one in got.values()] == [
            "no-cache", "no-cache", "public, max-age=31536000, immutable",
        ], view  # fmt: skip
    page = Elements(httpx.get(f"{url}/explore/1").text)
    shown = [str(image["href"]) for image in page.all("image")]
    assert {httpx.get(url + one).headers["cache-control"] for one in shown} == {"public, max-age=31536000, immutable"}


def test_a_client_that_reaches_a_server_with_other_pictures_gets_an_error_and_no_wrong_batch(
    two: tuple[LiveServer, LiveServer],
) -> None:
    """Of 60 steps, the first are from the right server; then a load balancer chooses the other one."""
    with SamplerClient(two[0].url) as client:
        right = [batch.xs[0].copy() for batch in client.stream(seed=1, batch_size=8, stop=60)]
    with LoadBalancer(two[0].url) as balancer, SamplerClient(balancer.url) as client:
        batches = client.stream(seed=1, batch_size=8, stop=60)
        received = [next(batches).xs[0].copy() for _ in range(5)]
        balancer.switch(two[1].url)
        with pytest.raises(DigestMismatchError) as caught:
            received.extend(batch.xs[0].copy() for batch in batches)
        assert caught.value.field == "pixels"
        assert 5 <= len(received) < 60
        assert all(np.array_equal(image, right[step]) for step, image in enumerate(received))
        with pytest.raises(DigestMismatchError):
            client.batch(seed=1, step=7, batch_size=8)
        balancer.switch(two[0].url)
        assert np.array_equal(client.batch(seed=1, step=7, batch_size=8).xs[0], right[7])


@pytest.mark.parametrize("stored", [False, True])
def test_a_server_never_sends_pixels_of_a_file_that_changed_after_hashing(
    stored: bool, server: LiveServer, scenes: Files, tmp_path: Path
) -> None:
    """The server of `scenes` has the right pixels. With a store, its pixels are those that were hashed."""
    images = tmp_path / "images"
    shutil.copytree(scenes[1], images)
    dataset = hashed((scenes[0], images), tmp_path / "cache")
    if stored:
        write_store(dataset, tmp_path / "cache")
    settings = {"annotations": scenes[0], "images": images, "cache_dir": tmp_path / "cache", "workers": 1}
    with live_server(tmp_path, **settings) as running:
        height, width = dataset.size(5)
        write_jpeg(image_file(dataset, 5), width, height, seed=77)
        assert body(running.url, "indices=4,6") == body(server.url, "indices=4,6")
        if stored:
            assert body(running.url, "indices=5") == body(server.url, "indices=5")
            return
        with SamplerClient(running.url) as client, pytest.raises(ClientError) as caught:
            client.batch([4, 5, 6])
    assert str(image_file(dataset, 5)) in str(caught.value)
    assert "is not the one whose hash was recorded" in str(caught.value)


def test_a_replaced_worker_checks_against_the_hashes_that_the_server_started_with(
    scenes: Files, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    shutil.copytree(scenes[1], images)
    dataset = hashed((scenes[0], images), tmp_path / "cache")
    settings = {"annotations": scenes[0], "images": images, "cache_dir": tmp_path / "cache", "workers": 1}
    with live_server(tmp_path, **settings) as running:
        height, width = dataset.size(5)
        write_jpeg(image_file(dataset, 5), width, height, seed=77)
        assert hashed((scenes[0], images), tmp_path / "cache").pixels != get_spec(running.url).pixels
        [worker] = running.workers()
        worker.kill()
        until(lambda: running.metric("sampler_worker_restarts_total") == 1)
        with SamplerClient(running.url) as client, pytest.raises(ClientError, match="whose hash was recorded"):
            client.batch([5])


def test_each_of_several_datasets_has_its_own_hashes_and_store(
    server: LiveServer, scenes: Files, tmp_path: Path
) -> None:
    """The same annotations with two folders of pictures, in one server."""
    parts = {"one": scenes, "two": other_pictures(scenes, tmp_path / "pictures")}
    lines = []
    for name, files in parts.items():
        write_store(hashed(files, tmp_path / "cache"), tmp_path / "cache")
        lines += [f"[datasets.{name}]", f"annotations = '{files[0]}'", f"images = '{files[1]}'"]
    (tmp_path / "settings.toml").write_text("\n".join(lines))
    query = "step=3&batch_size=24&seed=2"
    with live_server(tmp_path, settings=tmp_path / "settings.toml", cache_dir=tmp_path / "cache", workers=1) as both:
        one, two = (httpx.get(f"{both.url}/v1/spec?dataset={name}").json() for name in parts)
        assert one["digest"] == two["digest"]
        assert one["dataset"]["pixels"] != two["dataset"]["pixels"]
        assert body(both.url, f"{query}&dataset=one") == body(server.url, query)
        pictures = body(both.url, f"{query}&dataset=two&pixels={two['dataset']['pixels']}")
        assert len(pictures) == len(body(server.url, query))
        assert pictures != body(server.url, query)
        assert httpx.get(f"{both.url}/v1/batches?{query}&pixels={two['dataset']['pixels']}").status_code == 412
        assert both.log.count("decoded store: 24 of 24 images") == 2


def test_a_server_does_not_start_with_damaged_hashes(scenes: Files, tmp_path: Path) -> None:
    dataset = hashed(scenes, tmp_path / "cache")
    file = hashes_file(tmp_path / "cache", dataset.digest, dataset.images)
    flip_a_byte(file)
    settings = {"annotations": scenes[0], "images": scenes[1], "cache_dir": tmp_path / "cache", "workers": 1}
    with (
        pytest.raises(RuntimeError, match="the hashes of the images are damaged") as caught,
        live_server(tmp_path, **settings),
    ):
        pass
    assert str(file) in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_a_store_that_was_decoded_from_other_files_is_not_served(
    server: LiveServer, scenes: Files, tmp_path: Path
) -> None:
    """Files were replaced after decoding, in a way that size and time do not show; then they were hashed."""
    files = other_pictures(scenes, tmp_path / "pictures")
    dataset = open_dataset(*files, tmp_path / "cache")
    write_store(dataset, tmp_path / "cache")
    for index in range(len(dataset)):
        name = dataset.file_name(index)
        shutil.copy2(scenes[1] / name, files[1] / name)
    hashed(files, tmp_path / "cache")
    settings = {"annotations": files[0], "images": files[1], "cache_dir": tmp_path / "cache", "workers": 1}
    with live_server(tmp_path, **settings) as running:
        query = "step=0&batch_size=24&seed=4"
        assert body(running.url, query) == body(server.url, query)
