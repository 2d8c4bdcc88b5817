"""Servers record entry points and use them, whatever happens to workers, disk and files; samples never change."""

import os
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path

import httpx
import psutil
import pytest

from sampler.dataset.dataset import Dataset, open_dataset
from sampler.dataset.images.entry_points.records import STRIDE
from tests.support.coco_files import image_file, write_jpeg
from tests.support.entry_points import file_of, record_for
from tests.support.live_server import LiveServer, live_server, until
from tests.support.processes import run_python
from tests.support.scenes import IMAGES
from tests.support.wire_client import body

ALL = "indices=" + ",".join(map(str, range(IMAGES)))
QUERIES = [f"{ALL}&seed=7&epoch={epoch}" for epoch in range(3)]


@pytest.fixture
def settings(scenes: tuple[Path, Path], tmp_path: Path) -> dict[str, object]:
    annotations, images = scenes
    return {
        "annotations": annotations, "images": images, "cache_dir": tmp_path / "cache", "workers": 2,
        "batch_cache_mb": 0,
    }  # fmt: skip


@pytest.fixture(scope="module")
def expected(scenes: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """What a server without entry points sends."""
    annotations, images = scenes
    folder = tmp_path_factory.mktemp("plain")
    with live_server(folder, annotations=annotations, images=images, cache_dir=folder, entry_points="false") as server:
        bodies = [body(server.url, query) for query in QUERIES]
        assert decoded(server, "part") == 0
        assert server.metric("sampler_recorded_entry_points_total") == 0
        assert "entry points: off (SAMPLER_ENTRY_POINTS); images are decoded whole" in server.log
    assert not (folder / "entry-points").exists()
    return bodies


def decoded(server: LiveServer, part: str) -> int:
    return int(server.metric(f'sampler_decoded_images_total{{part="{part}"}}'))


def opened(settings: Mapping[str, object]) -> Dataset:
    return open_dataset(Path(str(settings["annotations"])), Path(str(settings["images"])), cache_of(settings))


def cache_of(settings: Mapping[str, object]) -> Path:
    return Path(str(settings["cache_dir"]))


def assert_every_image_is_recorded(settings: Mapping[str, object]) -> None:
    """Check that all records are valid, and those that one process alone makes."""
    dataset, cache_dir = opened(settings), cache_of(settings)
    fresh = cache_dir.parent / "fresh"
    run_python("-m", "sampler", "decode", "--entry-points", settings={**only_dataset(settings), "cache_dir": fresh})
    for index in range(IMAGES):
        record = record_for(dataset, cache_dir, index)
        assert record is not None
        assert record == record_for(dataset, fresh, index)


def only_dataset(settings: Mapping[str, object]) -> dict[str, object]:
    return {name: settings[name] for name in ("annotations", "images", "cache_dir")}


def test_a_server_records_entry_points_and_then_decodes_parts(
    settings: Mapping[str, object], expected: list[bytes], tmp_path: Path
) -> None:
    with live_server(tmp_path, **settings) as server:
        file = file_of(opened(settings), cache_of(settings))
        assert f"entry points: none so far; workers record them in {file} when they first decode an image" in server.log
        assert [body(server.url, query) for query in QUERIES] == expected
        assert server.metric("sampler_recorded_entry_points_total") == IMAGES
        whole, parts = decoded(server, "whole"), decoded(server, "part")
        assert whole + parts == IMAGES * len(QUERIES)
        assert parts > 0
    assert_every_image_is_recorded(settings)
    with live_server(tmp_path, **settings) as again:
        assert [body(again.url, query) for query in QUERIES] == expected
        assert again.metric("sampler_recorded_entry_points_total") == 0
        assert decoded(again, "part") > parts
        assert "entry points: none so far" not in again.log


def test_two_servers_that_share_a_cache_folder_record_at_once(
    settings: Mapping[str, object], expected: list[bytes], tmp_path: Path
) -> None:
    with live_server(tmp_path, **settings) as one, live_server(tmp_path, **settings) as other:
        with httpx.Client(timeout=60) as client:
            for query, wanted in zip(QUERIES, expected, strict=True):
                with client.stream("GET", f"{one.url}/v1/batches?{query}") as first:
                    assert body(other.url, query) == wanted
                    assert b"".join(first.iter_raw()) == wanted
        assert sum(server.metric("sampler_recorded_entry_points_total") for server in (one, other)) >= IMAGES
    assert_every_image_is_recorded(settings)


def test_workers_that_are_killed_while_they_record_leave_nothing_wrong(
    settings: Mapping[str, object], expected: list[bytes], tmp_path: Path
) -> None:
    with live_server(tmp_path, **settings) as server:
        for kills, (query, wanted) in enumerate(zip(QUERIES * 2, expected * 2, strict=True), start=1):
            file_of(opened(settings), cache_of(settings)).write_bytes(b"")
            with httpx.stream("GET", f"{server.url}/v1/batches?{query}", timeout=60) as response:
                pieces = response.iter_raw()
                received = [next(pieces)]
                server.workers()[0].send_signal(signal.SIGKILL)
                assert b"".join([*received, *pieces]) == wanted
            until(lambda: len(server.workers()) == 2 and server.metric("sampler_workers_alive") == 2)
            assert server.metric("sampler_worker_restarts_total") == kills
        assert [body(server.url, query) for query in QUERIES] == expected
    assert_every_image_is_recorded(settings)


def test_a_full_disk_ends_recording_with_a_line_and_no_sample_fails(
    settings: Mapping[str, object], expected: list[bytes], tmp_path: Path
) -> None:
    with live_server(tmp_path, **{**settings, "workers": 1}) as server:
        (worker,) = server.workers()
        worker.rlimit(psutil.RLIMIT_FSIZE, (5 * STRIDE + 700, psutil.RLIM_INFINITY))
        assert [body(server.url, query) for query in QUERIES] == expected
        assert server.metric("sampler_recorded_entry_points_total") == 5
        (line,) = [line for line in server.log.splitlines() if "no longer recorded" in line]
        file = file_of(opened(settings), cache_of(settings))
        assert f"worker: {file}: entry points are no longer recorded: File too large; set another cache folder" in line
        assert "until the server restarts, images without a record are decoded whole" in line
    dataset = opened(settings)
    assert [record_for(dataset, cache_of(settings), index) is not None for index in range(7)] == [True] * 5 + [
        False
    ] * 2
    with live_server(tmp_path, **settings) as again:
        assert [body(again.url, query) for query in QUERIES] == expected
    assert_every_image_is_recorded(settings)


def test_records_that_were_damaged_or_are_of_other_files_are_written_again(
    settings: Mapping[str, object], expected: list[bytes], tmp_path: Path
) -> None:
    with live_server(tmp_path, **settings) as server:
        for query in QUERIES:
            body(server.url, query)
    file = file_of(opened(settings), cache_of(settings))
    data = bytearray(file.read_bytes())
    for index in range(8):
        data[index * STRIDE + 70 + 100 * index] ^= 1
    data[8 * STRIDE : 9 * STRIDE], data[12 * STRIDE : 13 * STRIDE] = (
        data[12 * STRIDE : 13 * STRIDE], data[8 * STRIDE : 9 * STRIDE]
    )  # fmt: skip
    file.write_bytes(data[: 22 * STRIDE + 100])
    with live_server(tmp_path, **settings) as again:
        assert [body(again.url, query) for query in QUERIES] == expected
        assert again.metric("sampler_recorded_entry_points_total") == 12
    assert_every_image_is_recorded(settings)


def test_an_image_that_is_replaced_under_the_same_name_size_and_time_is_served_as_it_is(
    settings: dict[str, object], tmp_path: Path
) -> None:
    settings["images"] = shutil.copytree(Path(str(settings["images"])), tmp_path / "images")
    query = "indices=4,5,6&seed=7&augment=false"
    dataset = opened(settings)
    file = image_file(dataset, 5)
    state, old = file.stat(), file.read_bytes()
    height, width = dataset.size(5)
    new = write_jpeg(tmp_path / "new.jpg", width, height, seed=1234).read_bytes()
    length = max(len(old), len(new))
    with live_server(tmp_path, **settings) as server:
        for content in (old, new, old):
            file.write_bytes(content.ljust(length, b"\0"))
            os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
            for _ in range(2):
                found = body(server.url, query)
            with live_server(tmp_path, **settings | {"entry_points": "false", "cache_dir": tmp_path / "b"}) as plain:
                assert found == body(plain.url, query)


def test_damaged_images_are_refused_whatever_is_recorded(settings: dict[str, object], tmp_path: Path) -> None:
    settings["images"] = shutil.copytree(Path(str(settings["images"])), tmp_path / "images")
    settings |= {"damaged": "refuse", "workers": 1}
    file = image_file(opened(settings), 5)
    with live_server(tmp_path, **settings) as server:
        for epoch in range(2):
            body(server.url, f"indices=5&seed=7&epoch={epoch}")
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2] + b"\xff\xd9")
        for epoch in range(3):
            with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
                body(server.url, f"indices=5&seed=8&epoch={epoch}")
        assert server.metric('sampler_noted_images{kind="damaged"}') == 1


def test_a_cache_folder_that_cannot_be_written_is_a_warning(
    settings: Mapping[str, object], expected: list[bytes], tmp_path: Path
) -> None:
    with live_server(tmp_path, **settings) as server:
        body(server.url, QUERIES[0])
    folder = cache_of(settings) / "entry-points"
    shutil.rmtree(folder)
    folder.write_text("a file in its place")
    with live_server(tmp_path, **settings) as server:
        (line,) = [line for line in server.log.splitlines() if "entry points: none: " in line]
        assert "WARNING" in line
        assert f"{folder} is not a folder; set another cache folder" in line
        assert line.endswith("images are decoded whole")
        assert [body(server.url, query) for query in QUERIES] == expected
        assert decoded(server, "part") == 0


def test_a_complete_decoded_store_needs_no_entry_points(
    settings: Mapping[str, object], expected: list[bytes], tmp_path: Path
) -> None:
    run_python("-m", "sampler", "decode", settings=only_dataset(settings))
    with live_server(tmp_path, **settings) as server:
        assert [body(server.url, query) for query in QUERIES] == expected
        assert (decoded(server, "whole"), decoded(server, "part")) == (0, 0)
        assert "entry points" not in server.log
    assert not (cache_of(settings) / "entry-points").exists()


def test_each_dataset_of_a_server_has_its_own_setting(
    settings: Mapping[str, object], expected: list[bytes], tmp_path: Path
) -> None:
    tables = "\n".join(
        f'[datasets.{name}]\nannotations = "{settings["annotations"]}"\nimages = "{settings["images"]}"\n{more}'
        for name, more in (("one", ""), ("two", "entry_points = false"))
    )
    own = f'cache_dir = "{settings["cache_dir"]}"\nworkers = 1\nbatch_cache_mb = 0\n'
    (tmp_path / "settings.toml").write_text(own + tables)
    with live_server(tmp_path, settings=tmp_path / "settings.toml") as server:
        for _ in range(2):
            assert httpx.get(f"{server.url}/v1/batches?dataset=two&{QUERIES[0]}").content == expected[0]
        assert (decoded(server, "whole"), decoded(server, "part")) == (2 * IMAGES, 0)
        assert httpx.get(f"{server.url}/v1/batches?dataset=one&{QUERIES[0]}").content == expected[0]
        assert server.metric("sampler_recorded_entry_points_total") == IMAGES
        assert "one: entry points: none so far; " in server.log
        assert "two: entry points: off" in server.log
