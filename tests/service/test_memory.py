"""Many slow clients, little memory, dying workers: memory is bounded and every request progresses."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path

import psutil
import pytest

from sampler.arrays import Layout
from service.arena import CHUNK, PREFETCH_BYTES
from tests.service.test_load import slow_client
from tests.support.live_server import LiveServer, live_server, until
from tests.support.wire_client import batches, body, one_batch

CLIENTS = 63
BUFFER = 32 << 20


@pytest.fixture(scope="module")
def crowded(
    scenes: tuple[Path, Path], cache_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """A server for 64 requests at once, with 32 MB for what is made ahead."""
    annotations, images = scenes
    with live_server(
        tmp_path_factory.mktemp("crowded"), annotations=annotations, images=images, cache_dir=cache_dir, workers=2,
        buffer_mb=BUFFER >> 20, pause_seconds=600, grace_seconds=1,
    ) as server:  # fmt: skip
        yield server


def resident(server: LiveServer) -> int:
    """Bytes that the server has in memory, shared ones included."""
    return psutil.Process(server.process.pid).memory_info().rss


def test_64_slow_clients_leave_memory_flat_and_a_fast_one_gets_its_batches(crowded: LiveServer) -> None:
    sizes = []
    for layout in ("dense", "dense", "compact", "compact"):
        with ExitStack() as clients:
            for seed in range(CLIENTS):
                path = f"/v1/stream?seed={seed}&batch_size=16&layout={layout}"
                clients.enter_context(slow_client(crowded, path))
            until(lambda: crowded.metric("sampler_requests_in_flight") == CLIENTS)
            assert len(body(crowded.url, "seed=99&step=0&batch_size=24")) > 24 * 255 * 255 * 3
            assert crowded.metric("sampler_arena_prefetched_bytes") <= BUFFER
            assert crowded.metric("sampler_arena_used_bytes") <= crowded.metric("sampler_arena_capacity_bytes")
        until(lambda: crowded.metric("sampler_requests_in_flight") == 0)
        sizes.append(resident(crowded))
    assert sizes[1] - sizes[0] < BUFFER
    assert max(sizes[2:]) - sizes[1] < BUFFER


@pytest.fixture
def sized(
    scenes: tuple[Path, Path], cache_dir: Path, tmp_path: Path
) -> Callable[..., AbstractContextManager[LiveServer]]:
    """Starts a server of the small dataset with two workers and memory as given."""
    annotations, images = scenes
    return partial(live_server, tmp_path, annotations=annotations, images=images, cache_dir=cache_dir, workers=2)


@pytest.mark.skipif(sys.platform != "linux", reason="pages of another process are listed by Linux only")
def test_memory_for_cached_batches_is_touched_before_the_first_request(
    sized: Callable[..., AbstractContextManager[LiveServer]],
) -> None:
    with sized(batch_cache_mb=40, buffer_mb=200) as server:
        for process in (server.process.pid, *(worker.pid for worker in server.workers())):
            assert shared_pages(process) == pytest.approx(PREFETCH_BYTES + (40 << 20), abs=CHUNK)


@pytest.mark.skipif(sys.platform != "linux", reason="pages of another process are listed by Linux only")
def test_no_worker_touches_the_reserve_before_it_is_needed(
    sized: Callable[..., AbstractContextManager[LiveServer]],
) -> None:
    with sized(buffer_mb=4) as server:  # less than a server would have ready
        for process in (server.process.pid, *(worker.pid for worker in server.workers())):
            assert shared_pages(process) <= (4 << 20) + CHUNK
        assert len(one_batch(server.url, "seed=1&step=0&batch_size=3").samples) == 3


def shared_pages(process: int) -> int:
    """Bytes of the samples' memory that a process has met."""
    (pages,) = (part.rss for part in psutil.Process(process).memory_maps() if "saccade-sampler" in part.path)
    return int(pages)


def test_memory_is_released_when_clients_disconnect(crowded: LiveServer) -> None:
    with ExitStack() as clients:
        for seed in range(8):
            clients.enter_context(slow_client(crowded, f"/v1/stream?seed={seed}&batch_size=16&layout=dense"))
        until(lambda: crowded.metric("sampler_arena_slabs") > 0)
    until(lambda: crowded.metric("sampler_arena_used_bytes") == crowded.metric("sampler_batch_cache_bytes"))
    assert crowded.metric("sampler_arena_prefetched_bytes") == 0


def test_a_buffer_smaller_than_one_sample_is_slow_but_works(
    server: LiveServer, scenes: tuple[Path, Path], cache_dir: Path, tmp_path: Path
) -> None:
    annotations, images = scenes
    layouts: tuple[Layout, ...] = ("compact", "sparse", "dense")
    with live_server(
        tmp_path, annotations=annotations, images=images, cache_dir=cache_dir, workers=1, buffer_mb=1, grace_seconds=1
    ) as small, ExitStack() as clients:  # fmt: skip
        for layout in layouts:
            clients.enter_context(slow_client(small, f"/v1/stream?batch_size=12&layout={layout}"))
        until(lambda: small.metric("sampler_requests_in_flight") == 3)
        for layout in layouts:
            query = f"seed=2&step=0&batch_size=6&layout={layout}"
            assert body(small.url, query) == body(server.url, query)


def test_slabs_of_workers_that_die_are_not_lost(server: LiveServer, crowded: LiveServer) -> None:
    stream = batches(crowded.url, "/v1/stream?seed=6&batch_size=24&stop=6")
    got = [next(stream)]
    for worker in crowded.workers():
        worker.kill()
    got += stream
    assert [batch.header.step for batch in got] == list(range(6))
    for batch in got:
        wanted = one_batch(server.url, f"seed=6&step={batch.header.step}&batch_size=24")
        for mine, other in zip(batch.samples, wanted.samples, strict=True):
            assert (mine.arrays["crop"] == other.arrays["crop"]).all()
    until(lambda: crowded.metric("sampler_arena_used_bytes") == crowded.metric("sampler_batch_cache_bytes"))
