"""Equal batches are made once: counted, bounded, and the same bytes every time."""

import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from sampler.wire.reader import RemoteError
from tests.service.test_load import slow_client
from tests.support.coco_files import image_entry, small_coco, write_dataset
from tests.support.live_server import LiveServer, live_server, until
from tests.support.wire_client import batches, body, one_batch


@pytest.fixture(scope="module")
def caching(
    scenes: tuple[Path, Path], cache_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """A server that caches 16 MB of batches."""
    annotations, images = scenes
    with live_server(
        tmp_path_factory.mktemp("caching"), annotations=annotations, images=images, cache_dir=cache_dir, workers=2,
        batch_cache_mb=16, buffer_mb=64, grace_seconds=1,
    ) as server:  # fmt: skip
        yield server


SEEDS = itertools.count(100, 10)


@dataclass(frozen=True)
class Fresh:
    """A server that caches batches, a seed of which it has made none, and its counters when the test began."""

    server: LiveServer
    seed: int
    before: dict[str, float]

    @property
    def url(self) -> str:
        return self.server.url

    def step(self, step: int = 0, batch_size: int = 24) -> str:
        """The query of a step."""
        return f"seed={self.seed}&step={step}&batch_size={batch_size}"

    def found(self) -> dict[str, float]:
        """How batches were found in this test."""
        return {kind: count - self.before[kind] for kind, count in lookups(self.server).items()}


@pytest.fixture
def fresh(caching: LiveServer) -> Fresh:
    return Fresh(caching, next(SEEDS), lookups(caching))


def lookups(server: LiveServer) -> dict[str, float]:
    """How a server has found batches so far."""
    kinds = ("hit", "join", "miss")
    return {kind: server.metric(f'sampler_batch_lookups_total{{found="{kind}"}}') for kind in kinds}


def test_a_batch_requested_again_is_not_made_again_and_has_a_content_length(fresh: Fresh) -> None:
    first = httpx.get(f"{fresh.url}/v1/batches?{fresh.step()}")
    again = httpx.get(f"{fresh.url}/v1/batches?{fresh.step()}")
    assert first.content == again.content
    assert "content-length" not in first.headers
    assert int(again.headers["content-length"]) == len(first.content)
    assert fresh.found() == {"hit": 1, "join": 0, "miss": 1}
    assert fresh.server.metric("sampler_batch_cache_bytes") >= len(first.content) - 1000
    assert fresh.server.metric("sampler_arena_prefetched_bytes") == 0


def test_streams_and_batches_of_one_seed_share(fresh: Fresh) -> None:
    stream = f"/v1/stream?seed={fresh.seed}&batch_size=24&stop=2"
    streamed = list(batches(fresh.url, stream))
    assert fresh.found()["miss"] == 2
    alone = one_batch(fresh.url, fresh.step())
    assert [sample.key for sample in alone.samples] == [sample.key for sample in streamed[0].samples]
    list(batches(fresh.url, stream))
    assert fresh.found() == {"hit": 3, "join": 0, "miss": 2}


def test_another_layout_seed_or_step_is_another_batch(fresh: Fresh) -> None:
    step = fresh.step()
    other_seed = step.replace(str(fresh.seed), str(fresh.seed + 1))
    queries = (step, f"{step}&layout=sparse", f"{step}&augment=false", other_seed, fresh.step(1))
    assert len({body(fresh.url, query) for query in queries}) == 5
    assert fresh.found()["miss"] == 5


def test_requests_at_the_same_time_are_made_once_and_get_the_same_bytes(server: LiveServer, fresh: Fresh) -> None:
    query = fresh.step(batch_size=36)
    wanted = body(server.url, query)
    got: list[bytes] = []
    clients = [threading.Thread(target=lambda: got.append(body(fresh.url, query))) for _ in range(4)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert got == [wanted] * 4
    assert fresh.found()["miss"] == 1


def test_a_stalled_client_does_not_delay_one_that_requests_the_same_batches(fresh: Fresh) -> None:
    path = f"/v1/stream?seed={fresh.seed}&batch_size=48&stop=6"
    with slow_client(fresh.server, path):
        until(lambda: fresh.server.metric("sampler_requests_in_flight") == 1)
        assert [batch.header.step for batch in batches(fresh.url, path)] == [0, 1, 2, 3, 4, 5]


def test_cached_batches_stay_within_their_limit(fresh: Fresh) -> None:
    for step in range(12):
        body(fresh.url, fresh.step(step))
        assert fresh.server.metric("sampler_batch_cache_bytes") <= 16 << 20
    body(fresh.url, fresh.step(11))
    body(fresh.url, fresh.step(0))
    assert fresh.found() == {"hit": 1, "join": 0, "miss": 13}


def test_a_batch_too_large_for_the_cache_is_not_cached(fresh: Fresh) -> None:
    cached = fresh.server.metric("sampler_batch_cache_bytes")
    for _ in range(2):
        body(fresh.url, fresh.step(batch_size=96))
    assert fresh.found() == {"hit": 0, "join": 0, "miss": 2}
    assert fresh.server.metric("sampler_batch_cache_bytes") == cached


def test_the_cache_can_be_turned_off(scenes: tuple[Path, Path], cache_dir: Path, tmp_path: Path) -> None:
    annotations, images = scenes
    with live_server(
        tmp_path, annotations=annotations, images=images, cache_dir=cache_dir, workers=1, batch_cache_mb=0
    ) as server:
        step = "seed=3&step=0&batch_size=24"
        assert body(server.url, step) == body(server.url, step)
        assert lookups(server) == {"hit": 0, "join": 0, "miss": 2}


def test_a_batch_with_a_bad_image_is_made_again_and_not_cached(tmp_path: Path) -> None:
    content = small_coco()
    content["annotations"] = []
    content["images"] = [image_entry(number, 64, 48) for number in range(1, 4)]
    annotations, images = write_dataset(tmp_path, content)
    bad = images / content["images"][1]["file_name"]
    sound = bad.read_bytes()
    bad.write_bytes(b"not an image")
    with live_server(
        tmp_path, annotations=annotations, images=images, cache_dir=tmp_path / "cache", workers=1
    ) as server:
        with pytest.raises(RemoteError):
            one_batch(server.url, "indices=0,1,2")
        bad.write_bytes(sound)
        assert one_batch(server.url, "indices=0,1,2").header.count == 3
        assert lookups(server)["miss"] == 2
