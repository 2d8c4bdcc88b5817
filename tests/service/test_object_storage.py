"""A server whose images are in object storage: the same bytes as from a folder, whatever the storage does."""

import json
import signal
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from sampler.dataset.images.object_storage.read_ahead import REQUESTS
from tests.support.coco_files import box_entry, category_entry, coco, image_entry, write_dataset
from tests.support.live_server import failure, live_server
from tests.support.object_store import FINE, SECRET, SLOW_DOWN, ObjectStore, Trouble
from tests.support.processes import run_python
from tests.support.wire_client import body

IMAGES = 48
CHANGED, MISSING, DAMAGED = 5, 6, 7
QUERIES = [f"seed=7&step={step}&batch_size=24" for step in range(3)]
ALL = [f"indices={','.join(map(str, range(IMAGES)))}&epoch={epoch}" for epoch in range(2)]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    numbers = range(1, IMAGES + 1)
    boxes = [box_entry(number, number, 1, [20, 20, 150, 120]) for number in numbers]
    content = coco([image_entry(number, 320, 240) for number in numbers], boxes, [category_entry(1)])
    return write_dataset(tmp_path_factory.mktemp("objects"), content)


@pytest.fixture(scope="module")
def expected(files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """What a server sends that has the images in a folder."""
    folder = tmp_path_factory.mktemp("local")
    with live_server(folder, annotations=files[0], images=files[1], cache_dir=folder / "cache", workers=1) as server:
        return [body(server.url, query) for query in (*QUERIES, *ALL)]


@pytest.fixture
def settings(files: tuple[Path, Path], store: ObjectStore, tmp_path: Path) -> dict[str, object]:
    url = store.upload(files[1], tmp_path.name)
    return {
        "annotations": files[0], "images": url, "cache_dir": tmp_path / "cache", "workers": 2, "batch_cache_mb": 0,
    }  # fmt: skip


def disturbed(number: int, _path: str) -> Trouble:
    """Disturb three of twelve requests."""
    return {0: SLOW_DOWN, 4: Trouble(500), 8: Trouble(cut=True)}.get(number % 12, FINE)


def test_batches_have_the_bytes_of_a_folder_whatever_happens_to_storage_and_workers(
    settings: Mapping[str, object], expected: list[bytes], store: ObjectStore, tmp_path: Path
) -> None:
    with live_server(tmp_path, **settings) as server:
        assert store.proxy.requests == {"GET": 32}  # it looks at some objects and lists none
        store.proxy.latency, store.proxy.trouble = 0.05, disturbed
        assert [body(server.url, query) for query in (*QUERIES, *ALL)] == expected
        assert server.metric("sampler_worker_restarts_total") == 0  # none was taken for a hung one
        for query, bytes_of_folder in zip(QUERIES, expected, strict=False):
            server.workers()[0].send_signal(signal.SIGKILL)
            assert body(server.url, query) == bytes_of_folder
        assert SECRET not in server.log


def test_a_worker_fetches_the_objects_of_several_runs_at_once(
    settings: Mapping[str, object], store: ObjectStore, tmp_path: Path
) -> None:
    with live_server(tmp_path, **{**settings, "workers": 1}) as server:
        store.settle()
        store.proxy.latency = 0.2
        for query in ALL:
            body(server.url, query)
        assert 15 <= store.proxy.most <= REQUESTS + 1  # one more for an object that is read and was not fetched
        assert store.proxy.requests["GET"] == 2 * IMAGES


def test_a_changed_object_is_an_error_until_its_hash_is_recorded(
    settings: Mapping[str, object], expected: list[bytes], files: tuple[Path, Path], store: ObjectStore, tmp_path: Path
) -> None:
    names = sorted(file.name for file in files[1].iterdir())
    changed = f"{tmp_path.name}/{names[CHANGED]}"  # the path from the folder on
    with live_server(tmp_path, **settings) as server:
        assert body(server.url, ALL[0]) == expected[len(QUERIES)]
        store.put(f"{tmp_path.name}/{names[CHANGED]}", (files[1] / names[CHANGED + 1]).read_bytes())
        assert_changed(server.url, changed)
    done = run_python("-m", "sampler", "decode", settings=only_dataset(settings), check=False)
    assert (done.returncode, "the object has changed" in done.stdout) == (1, True)
    with live_server(tmp_path, **settings) as server:  # the state is recorded on disk
        assert_changed(server.url, changed)
        other = [f"indices={','.join(map(str, range(CHANGED)))}&epoch=0"]
        assert all(httpx.get(f"{server.url}/v1/batches?{query}").status_code == 200 for query in other)
    run_python("-m", "sampler", "index", "--hash-images", settings=only_dataset(settings))
    with live_server(tmp_path, **settings) as server:
        assert httpx.get(f"{server.url}/v1/batches?indices={CHANGED}&epoch=0").status_code == 200


def assert_changed(url: str, name: str) -> None:
    problem = httpx.get(f"{url}/debug/samples/{CHANGED}?seed=0&epoch=0").json()
    assert (problem["kind"], problem["file"], problem["index"]) == ("changed", name, CHANGED)
    assert "changed since it was first read" in problem["detail"]
    assert "--hash-images" in problem["detail"]


def test_objects_that_cannot_be_used_are_named_and_the_others_are_served(
    settings: Mapping[str, object], files: tuple[Path, Path], store: ObjectStore, tmp_path: Path
) -> None:
    missing, damaged = (sorted(file.name for file in files[1].iterdir())[index] for index in (MISSING, DAMAGED))
    store.delete(f"{tmp_path.name}/{missing}")
    half = (files[1] / damaged).read_bytes()
    store.put(f"{tmp_path.name}/{damaged}", half[: len(half) // 2] + b"\xff\xd9")
    with live_server(tmp_path, **settings) as server:
        problem = httpx.get(f"{server.url}/debug/samples/{MISSING}?seed=0&epoch=0").json()
        assert (problem["kind"], problem["file"]) == ("missing", f"{tmp_path.name}/{missing}")
        others = f"{server.url}/v1/batches?indices=0,1,2,{DAMAGED},3,{DAMAGED}"
        assert [httpx.get(f"{others}&epoch={epoch}").status_code for epoch in range(3)] == [200] * 3
        assert server.metric('sampler_noted_images{kind="damaged"}') == 1
        (line,) = [line for line in server.log.splitlines() if "is damaged: libjpeg" in line]
        assert f"{settings['images']}/{damaged}" in line
        store.proxy.trouble = lambda _number, _path: Trouble(403, "ExpiredToken")
        denied = httpx.get(f"{server.url}/debug/samples/0?seed=0&epoch=0")
        assert (denied.status_code, denied.json()["type"]) == (503, "urn:saccade-sampler:problem:storage")
        store.settle()
        assert httpx.get(f"{server.url}/debug/samples/0?seed=0&epoch=0").status_code == 200


def test_a_server_does_not_start_without_objects_or_access(
    settings: Mapping[str, object], store: ObjectStore, tmp_path: Path
) -> None:
    line = failure(tmp_path, **{**settings, "images": f"{settings['images']}/elsewhere"})
    assert "none of 32 sampled images exists here" in line
    store.proxy.trouble = lambda _number, _path: Trouble(403, "AccessDenied")
    line = failure(tmp_path, **settings)
    assert "access is denied (AccessDenied); check the credentials" in line
    assert SECRET not in line


def only_dataset(settings: Mapping[str, object]) -> dict[str, object]:
    return {name: settings[name] for name in ("annotations", "images", "cache_dir")}


def test_several_datasets_may_have_their_images_in_different_places(
    settings: Mapping[str, object], expected: list[bytes], files: tuple[Path, Path], tmp_path: Path
) -> None:
    file = tmp_path / "settings.toml"
    places = {"near": str(files[1]), "far": str(settings["images"])}
    tables = [
        f"[datasets.{name}]\nannotations = {json.dumps(str(files[0]))}\nimages = [{json.dumps(place)}]\n"
        for name, place in places.items()
    ]
    file.write_text("".join(tables))
    with live_server(tmp_path, settings=file, cache_dir=tmp_path / "cache", workers=2) as server:
        for name in places:
            url = f"{server.url}/v1/batches?{ALL[0]}&dataset={name}"
            assert httpx.get(url, timeout=60).content == expected[len(QUERIES)]
