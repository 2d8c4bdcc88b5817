"""Equal batches are made once: counted, bounded, and the same bytes every time."""

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sampler.wire.reader import RemoteError
from tests.service.test_load import slow_client
from tests.support.coco_files import image_entry, small_coco, write_dataset
from tests.support.live_server import LiveServer, live_server, until
from tests.support.wire_client import batches, body, one_batch

STEP = "seed=3&step=0&batch_size=24"


@pytest.fixture
def fresh(scenes: tuple[Path, Path], cache_dir: Path, tmp_path: Path) -> Iterator[LiveServer]:
    """A server that has made nothing yet, and keeps 8 MB of batches."""
    annotations, images = scenes
    with live_server(
        tmp_path, annotations=annotations, images=images, cache_dir=cache_dir, workers=2, batch_cache_mb=16,
        buffer_mb=64, grace_seconds=1,
    ) as server:  # fmt: skip
        yield server


def found(server: LiveServer) -> dict[str, float]:
    """How batches were found so far."""
    kinds = ("hit", "join", "miss")
    return {kind: server.metric(f'sampler_batch_cache_total{{found="{kind}"}}') for kind in kinds}


def test_a_batch_asked_for_again_is_not_made_again_and_comes_with_its_length(fresh: LiveServer) -> None:
    first = httpx.get(f"{fresh.url}/v1/batches?{STEP}")
    again = httpx.get(f"{fresh.url}/v1/batches?{STEP}")
    assert first.content == again.content
    assert "content-length" not in first.headers
    assert int(again.headers["content-length"]) == len(first.content)
    assert found(fresh) == {"hit": 1, "join": 0, "miss": 1}
    assert fresh.metric("sampler_batch_cache_bytes") >= len(first.content) - 1000
    assert fresh.metric("sampler_ahead_bytes") == 0


def test_streams_and_batches_of_one_seed_share(fresh: LiveServer) -> None:
    streamed = list(batches(fresh.url, "/v1/stream?seed=3&batch_size=24&stop=2"))
    assert found(fresh)["miss"] == 2
    alone = one_batch(fresh.url, STEP)
    assert [sample.key for sample in alone.samples] == [sample.key for sample in streamed[0].samples]
    list(batches(fresh.url, "/v1/stream?seed=3&batch_size=24&stop=2"))
    assert found(fresh) == {"hit": 3, "join": 0, "miss": 2}


def test_another_layout_seed_or_step_is_another_batch(fresh: LiveServer) -> None:
    queries = (STEP, f"{STEP}&layout=sparse", f"{STEP}&augment=false", STEP.replace("=3", "=4"),
               STEP.replace("step=0", "step=1"))  # fmt: skip
    assert len({body(fresh.url, query) for query in queries}) == 5
    assert found(fresh)["miss"] == 5


def test_requests_at_the_same_time_are_made_once_and_get_the_same_bytes(server: LiveServer, fresh: LiveServer) -> None:
    query = "seed=8&step=2&batch_size=72"
    wanted = body(server.url, query)
    got: list[bytes] = []
    askers = [threading.Thread(target=lambda: got.append(body(fresh.url, query))) for _ in range(4)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert got == [wanted] * 4
    assert found(fresh)["miss"] == 1


def test_one_who_does_not_read_does_not_hold_up_one_who_asks_for_the_same(fresh: LiveServer) -> None:
    path = "/v1/stream?seed=5&batch_size=48&stop=6"
    with slow_client(fresh, path):
        until(lambda: fresh.metric("sampler_requests_in_flight") == 1)
        assert [batch.header.step for batch in batches(fresh.url, path)] == [0, 1, 2, 3, 4, 5]


def test_what_is_kept_stays_within_its_bound(fresh: LiveServer) -> None:
    for step in range(12):
        body(fresh.url, f"seed=3&step={step}&batch_size=24")
        assert fresh.metric("sampler_batch_cache_bytes") <= 16 << 20
    body(fresh.url, "seed=3&step=11&batch_size=24")
    body(fresh.url, STEP)
    assert found(fresh) == {"hit": 1, "join": 0, "miss": 13}


def test_a_batch_too_large_for_the_cache_is_not_kept(fresh: LiveServer) -> None:
    for _ in range(2):
        body(fresh.url, "seed=3&step=0&batch_size=96")
    assert found(fresh) == {"hit": 0, "join": 0, "miss": 2}
    assert fresh.metric("sampler_batch_cache_bytes") == 0


def test_the_cache_can_be_turned_off(scenes: tuple[Path, Path], cache_dir: Path, tmp_path: Path) -> None:
    annotations, images = scenes
    with live_server(
        tmp_path, annotations=annotations, images=images, cache_dir=cache_dir, workers=1, batch_cache_mb=0
    ) as server:
        assert body(server.url, STEP) == body(server.url, STEP)
        assert found(server) == {"hit": 0, "join": 0, "miss": 2}


def test_a_batch_with_a_bad_image_is_tried_again_and_not_kept(tmp_path: Path) -> None:
    content = small_coco()
    content["annotations"] = []
    content["images"] = [image_entry(number, 64, 48) for number in range(1, 4)]
    annotations, images = write_dataset(tmp_path, content)
    bad = images / content["images"][1]["file_name"]
    sound = bad.read_bytes()
    bad.write_bytes(b"this is no picture")
    with live_server(
        tmp_path, annotations=annotations, images=images, cache_dir=tmp_path / "cache", workers=1
    ) as server:
        with pytest.raises(RemoteError):
            one_batch(server.url, "indices=0,1,2")
        bad.write_bytes(sound)
        assert one_batch(server.url, "indices=0,1,2").header.count == 3
        assert found(server)["miss"] == 2
