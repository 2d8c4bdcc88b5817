"""Bad images and dying workers."""

import itertools
import json
import signal
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest

from sampler.stream.shards import Shard, step_keys
from sampler.wire.messages import WireBatch, encode_sample
from sampler.wire.reader import RemoteError
from service.activity.recent_errors import ADVICE
from tests.support.coco_files import image_entry, small_coco, write_dataset, write_image, write_jpeg, write_json
from tests.support.live_server import LiveServer, live_server, until
from tests.support.pages import Elements
from tests.support.wire_client import batches, body, get_spec, one_batch


def png_of(width: int, height: int) -> bytes:
    """A PNG whose header announces that size; there are no pixels behind it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + header + b"\0\0\0\0"


DAMAGE = ("missing", "cut short", "no image", "mis-sized", "a folder", "60000×60000")
"""What is wrong with images 0 … 5 of the damaged dataset; the others are intact."""

SOUND = 7


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server of a dataset with one image of each kind of damage, and sound ones."""
    folder = tmp_path_factory.mktemp("damaged")
    content = small_coco()
    content["annotations"] = []
    content["images"] = [image_entry(number, 64, 48) for number in range(1, 10)]
    annotations, images = write_dataset(folder, content)
    content["images"][5] = image_entry(6, 60000, 60000)
    write_json(annotations, content)
    files = [images / image["file_name"] for image in content["images"]]
    files[0].unlink()
    files[1].write_bytes(files[1].read_bytes()[:400])
    files[2].write_bytes(b"this is no picture")
    write_jpeg(files[3], 65, 48)
    files[4].unlink()
    files[4].mkdir()
    files[5].write_bytes(png_of(60000, 60000))
    with live_server(folder, annotations=annotations, images=images, cache_dir=folder / "cache", workers=2) as server:
        yield server


@pytest.mark.parametrize("index", range(len(DAMAGE)), ids=DAMAGE)
def test_a_bad_image_is_an_error_in_the_stream_that_names_index_and_file(damaged: LiveServer, index: int) -> None:
    with pytest.raises(RemoteError) as caught:
        one_batch(damaged.url, f"indices={SOUND},{index},{SOUND}&seed=1")
    problem = caught.value.problem
    assert problem["type"] == "urn:saccade-sampler:problem:image"
    assert problem["index"] == index
    assert problem["file"].endswith(f"{index + 1:012d}.jpg")
    assert one_batch(damaged.url, f"indices={SOUND}&seed=1").header.count == 1


def test_a_bad_image_leaves_the_response_incomplete_so_that_no_cache_keeps_it(damaged: LiveServer) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{damaged.url}/v1/batches?indices=0")
    assert "Traceback" not in damaged.log
    assert "without completing" not in damaged.log


def test_a_bad_image_costs_no_worker_and_no_memory(damaged: LiveServer) -> None:
    workers = {worker.pid: worker.memory_info().rss for worker in damaged.workers()}
    for index in range(len(DAMAGE)):
        with pytest.raises(RemoteError):
            one_batch(damaged.url, f"indices={index}")
    now = {worker.pid: worker.memory_info().rss for worker in damaged.workers()}
    assert now.keys() == workers.keys()
    assert all(now[pid] - workers[pid] < 200 << 20 for pid in now)


def test_a_stream_with_a_bad_image_delivers_what_comes_before_it(damaged: LiveServer) -> None:
    stream = batches(damaged.url, "/v1/stream?seed=3&batch_size=1&stop=200")
    taken: list[WireBatch] = []
    with pytest.raises(RemoteError):
        taken.extend(stream)
    spec = get_spec(damaged.url)
    visited = [step_keys(spec.size, 3, step, Shard(1))[0].index for step in range(9)]
    first_bad = next(place for place, index in enumerate(visited) if index < len(DAMAGE))
    assert [batch.samples[0].key.index for batch in taken] == visited[:first_bad]


@pytest.mark.parametrize("path", ["/compare?index=0", "/what-if?index=0&min_scale=32"])
def test_pages_of_two_samples_say_what_is_wrong_with_a_bad_image_and_lead_to_others(
    damaged: LiveServer, path: str
) -> None:
    page = httpx.get(damaged.url + path, headers={"accept": "text/html"}, timeout=60)
    assert page.status_code == 500
    assert page.text.count("This sample cannot be shown: ") == 2
    next_link = next(link["href"] for link in Elements(page.text).all("a") if link.get("id") == "next")
    assert "index=1" in str(next_link)


@pytest.mark.parametrize("path", ["/debug/samples/0", "/debug/samples/0.png"])
def test_inspecting_a_bad_image_says_what_is_wrong(damaged: LiveServer, path: str) -> None:
    answer = httpx.get(damaged.url + path)
    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:saccade-sampler:problem:image"
    assert answer.json()["index"] == 0


@pytest.fixture(scope="module")
def own_server(
    scenes: tuple[Path, Path], cache_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """A server whose workers tests kill."""
    annotations, images = scenes
    with live_server(
        tmp_path_factory.mktemp("own"),
        annotations=annotations,
        images=images,
        cache_dir=cache_dir,
        workers=2,
        max_requests=6,
        retry_after=1,
    ) as server:
        yield server


def test_killed_workers_are_replaced_and_the_response_is_right(server: LiveServer, own_server: LiveServer) -> None:
    query = "seed=5&step=0&batch_size=200"
    wanted = body(server.url, query)
    killer = threading.Thread(target=_kill_workers, args=(own_server, 4))
    killer.start()
    got = body(own_server.url, query)
    killer.join()
    assert got == wanted
    assert own_server.metric("sampler_worker_restarts_total") >= 1
    until(lambda: own_server.metric("sampler_workers_alive") == 2)


def _kill_workers(server: LiveServer, times: int) -> None:
    for _ in range(times):
        time.sleep(0.15)
        for worker in server.workers()[:1]:
            worker.kill()


def test_a_server_without_workers_is_not_ready_until_they_are_replaced(own_server: LiveServer) -> None:
    for worker in own_server.workers():
        worker.kill()
    until(lambda: httpx.get(f"{own_server.url}/readyz").status_code == 503)
    until(lambda: own_server.metric("sampler_workers_alive") == 2)
    assert httpx.get(f"{own_server.url}/readyz").status_code == 200
    assert one_batch(own_server.url, "indices=1").header.count == 1


LATE = 'sampler_worker_restarts_total{cause="late"}'


@pytest.fixture
def impatient_server(scenes: tuple[Path, Path], cache_dir: Path, tmp_path: Path) -> Iterator[LiveServer]:
    """A server with one worker, whose samples take a second at most."""
    annotations, images = scenes
    with live_server(
        tmp_path, annotations=annotations, images=images, cache_dir=cache_dir, workers=1, job_seconds=1
    ) as server:
        yield server


def test_a_worker_that_hangs_is_replaced_after_the_longest_time_for_a_sample(impatient_server: LiveServer) -> None:
    impatient_server.workers()[0].suspend()
    assert one_batch(impatient_server.url, "seed=1&step=0&batch_size=4").header.count == 4
    assert impatient_server.metric(LATE) == 1


def test_a_worker_that_was_ended_for_a_page_is_listed_with_the_image_and_is_no_fault(
    impatient_server: LiveServer, scenes: tuple[Path, Path]
) -> None:
    annotations, images = scenes
    impatient_server.workers()[0].suspend()
    assert httpx.get(f"{impatient_server.url}/images/3/thumbnail", timeout=60).status_code == 200
    assert impatient_server.metric('sampler_worker_restarts_total{cause="view"}') == 1
    assert impatient_server.metric(LATE) == 0
    status = httpx.get(f"{impatient_server.url}/status.json").json()
    (error,) = status["errors"]
    name = json.loads(annotations.read_text())["images"][3]["file_name"]
    assert (error["kind"], error["file"]) == ("view", f"{images.name}/{name}")
    assert error["advice"] == ADVICE["view"]
    assert status["workers"]["restarted"] == 0


def test_a_stopped_worker_holds_a_stream_up_for_seconds_and_a_stopped_server_costs_no_worker(
    server: LiveServer, scenes: tuple[Path, Path], cache_dir: Path, tmp_path: Path
) -> None:
    annotations, images = scenes
    query = "/v1/stream?seed=3&batch_size=16&stop=60"
    wanted = [[*map(encode_sample, batch.samples)] for batch in batches(server.url, query)]
    with live_server(tmp_path, annotations=annotations, images=images, cache_dir=cache_dir, workers=2) as own:
        before = own.workers()
        got, gaps = [], []
        for batch in batches(own.url, query):
            got.append([*map(encode_sample, batch.samples)])
            gaps.append(time.monotonic())
            if len(got) == 15:
                _stop_for(own, 7.0)
            if len(got) == 30:
                assert own.workers() == before
                before[0].suspend()
        assert got == wanted
        longest = max(later - earlier for earlier, later in itertools.pairwise(gaps[20:]))
        assert 5.0 < longest < 8.0
        assert own.metric(LATE) == 1
        assert own.metric("sampler_worker_restarts_total") == 1


def _stop_for(server: LiveServer, seconds: float) -> None:
    """Stop a server, but not its workers, for a while."""
    server.send(signal.SIGSTOP)
    time.sleep(seconds)
    server.send(signal.SIGCONT)


def test_a_sample_that_ends_every_worker_is_given_up_and_named(tmp_path: Path) -> None:
    side = 10_000  # takes the better part of a second to decode, which is when its workers are killed
    content = small_coco()
    content["annotations"] = []
    content["images"] = [image_entry(1), image_entry(2, side, side, file_name="slow.png")]
    annotations, images = write_dataset(tmp_path, {**content, "images": content["images"][:1]})
    write_json(annotations, content)
    write_image(images / "slow.png", np.zeros((side, side, 3), np.uint8))
    with live_server(
        tmp_path, annotations=annotations, images=images, cache_dir=tmp_path / "cache", workers=1
    ) as server:
        killer = threading.Thread(target=_kill_busy_workers, args=(server, 3))
        killer.start()
        try:
            with pytest.raises(RemoteError, match="ended its worker 3 times") as caught:
                one_batch(server.url, "indices=1&seed=4")
        finally:
            killer.join()
        assert caught.value.problem["index"] == 1
        until(lambda: server.metric("sampler_workers_alive") == 1)
        assert one_batch(server.url, "indices=0&seed=4").header.count == 1


def _kill_busy_workers(server: LiveServer, times: int) -> None:
    killed: set[int] = set()
    deadline = time.monotonic() + 30
    while len(killed) < times and time.monotonic() < deadline:
        busy = server.metric("sampler_requests_in_flight") == 1 and server.metric("sampler_workers_alive") == 1
        for worker in server.workers():
            if busy and worker.pid not in killed:
                time.sleep(0.1)
                worker.kill()
                killed.add(worker.pid)


def test_a_worker_that_cannot_start_without_descriptors_is_started_later(own_server: LiveServer) -> None:
    process = psutil.Process(own_server.process.pid)
    before, logged = process.rlimit(psutil.RLIMIT_NOFILE), len(own_server.log)
    until(lambda: own_server.metric("sampler_workers_alive") == 2)  # tests before this one killed some
    with httpx.Client(base_url=own_server.url) as client:
        assert client.get("/readyz").status_code == 200
        process.rlimit(psutil.RLIMIT_NOFILE, (5, before[1]))
        for worker in own_server.workers():
            worker.kill()
        until(lambda: own_server.log[logged:].count("a worker cannot start: ") >= 2)
        assert client.get("/readyz").status_code == 503
        process.rlimit(psutil.RLIMIT_NOFILE, before)
        until(lambda: client.get("/readyz").status_code == 200)
    assert "Too many open files (this process may open 5); raise the limit" in own_server.log[logged:]
    assert "damaged" not in own_server.log[logged:]
