"""The nginx example in front of two servers: each batch has its server, a killed one is passed over."""

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import httpx
import pytest

from saccade_sampler import Batch, SamplerClient, loader
from sampler.wire.spec import ServiceSpec
from tests.support.live_server import LiveServer, launch, live_server, until, wait_until_ready
from tests.support.loading import same
from tests.support.nginx import PROGRAM, Nginx, start_nginx
from tests.support.processes import kill_at_end, run_python
from tests.support.scenes import write_scenes

STEPS = 24
BATCH_SIZE = 2


@dataclass(frozen=True)
class Fleet:
    """Two servers of the same dataset, and nginx in front of both."""

    servers: tuple[LiveServer, LiveServer]
    nginx: Nginx
    settings: dict[str, object]
    folder: Path

    def steps_at(self, server: LiveServer) -> list[int]:
        """The steps of seed 5 that a server was asked for, by its log."""
        return [step for step in range(STEPS) if f"&seed=5&step={step}&" in server.log]

    def url(self, step: int, nginx: Nginx | None = None) -> str:
        """A batch that nginx does not cache, because the URL does not name the digest of the images."""
        return f"{(nginx or self.nginx).url}/v1/batches?batch_size={BATCH_SIZE}&seed=5&step={step}&rank=0&world_size=1"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    if PROGRAM is None:
        pytest.skip("nginx is not installed: apt-get install nginx-light")
    folder = tmp_path_factory.mktemp("fleet")
    annotations, images = write_scenes(folder)
    settings: dict[str, object] = {
        "annotations": annotations, "images": images, "cache_dir": folder / "sampler", "workers": 1,
    }  # fmt: skip
    run_python("-m", "sampler", "index", "--hash-images", settings=settings)
    with kill_at_end(), live_server(folder, **settings) as first, live_server(folder, **settings) as second:
        nginx = start_nginx(folder / "nginx", [first.url, second.url])
        yield Fleet((first, second), nginx, settings, folder)


def test_each_batch_has_its_server(fleet: Fleet) -> None:
    for _ in range(2):
        for step in range(STEPS):
            response = httpx.get(fleet.url(step))
            assert (response.status_code, response.headers["x-cache"]) == (200, "MISS")
    first, second = map(fleet.steps_at, fleet.servers)
    assert sorted(first + second) == list(range(STEPS)), "no step was made by both"
    assert min(len(first), len(second)) >= STEPS // 6


def test_posted_batches_and_streams_go_to_both(fleet: Fleet) -> None:
    for seed in range(8):
        body = {"indices": [1], "seed": seed}
        assert httpx.post(f"{fleet.nginx.url}/v1/batches", json=body).status_code == 200
        assert httpx.get(f"{fleet.nginx.url}/v1/stream?batch_size=1&stop=1&seed={seed}").status_code == 200
    for server in fleet.servers:
        assert "POST /v1/batches" in server.log
        assert "GET /v1/stream" in server.log


def test_a_second_training_with_the_same_seed_is_sent_from_the_cache(fleet: Fleet) -> None:
    received: list[list[Batch]] = []
    for _ in range(2):
        with SamplerClient(fleet.nginx.url) as client:
            client.spec()  # pins both digests
            received.append([client.batch(seed=7, step=step, batch_size=BATCH_SIZE) for step in range(STEPS)])
    assert all(same(*pair) for pair in zip(*received, strict=True))
    assert fleet.nginx.found("seed=7&", 2 * STEPS) == ["200 MISS"] * STEPS + ["200 HIT"] * STEPS


def test_all_batches_of_a_second_loader_with_the_same_seed_are_hits(fleet: Fleet) -> None:
    url = f"dns+{fleet.nginx.url}"  # each step is a request; with a plain URL the loader opens a stream
    received: list[list[Batch]] = []
    for run in (1, 2):
        with loader(url, seed=11, batch_size=BATCH_SIZE, stop=STEPS) as batches:
            received.append(list(batches))
        found = fleet.nginx.found("seed=11&", run * STEPS)
    assert len(received[0]) == STEPS
    assert all(same(*pair) for pair in zip(*received, strict=True))
    assert found == ["200 MISS"] * STEPS + ["200 HIT"] * STEPS


def test_equal_requests_at_the_same_time_are_one(fleet: Fleet) -> None:
    spec = ServiceSpec.parse(httpx.get(f"{fleet.nginx.url}/v1/spec").json())
    url = f"{fleet.url(0).replace('seed=5', 'seed=6')}&digest={spec.digest}&pixels={spec.pixels}"
    received: list[bytes] = []
    threads = [Thread(target=lambda: received.append(httpx.get(url).content)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(received) == 6
    assert len(set(received)) == 1
    assert sum(server.log.count("&seed=6&") for server in fleet.servers) == 1


@pytest.fixture
def failing(fleet: Fleet) -> tuple[LiveServer, Nginx]:
    """A third server to kill, and nginx in front of it and the first one."""
    log = fleet.folder / f"third-{time.monotonic_ns()}.log"
    process, url = launch(log, fleet.settings)
    third = LiveServer(url, process, log)
    wait_until_ready(third)
    return third, start_nginx(fleet.folder / log.stem, [fleet.servers[0].url, url])


def test_the_batches_of_a_killed_server_go_to_the_other(fleet: Fleet, failing: tuple[LiveServer, Nginx]) -> None:
    third, nginx = failing
    steps = [fleet.url(step, nginx) for step in range(STEPS)]
    expected = [httpx.get(step).content for step in steps]
    assert 0 < len(fleet.steps_at(third)) < STEPS
    third.process.kill()
    third.process.wait()
    for _ in range(2):
        responses = [httpx.get(step) for step in steps]
        assert {response.status_code for response in responses} == {200}
        assert [response.content for response in responses] == expected


def test_the_batches_of_a_server_that_hangs_go_to_the_other(fleet: Fleet, failing: tuple[LiveServer, Nginx]) -> None:
    third, _ = failing
    nginx = start_nginx(fleet.folder / "hanging", [fleet.servers[0].url, third.url], silence=1)
    steps = [fleet.url(step, nginx) for step in range(STEPS)]
    expected = [httpx.get(step).content for step in steps]
    third.process.send_signal(signal.SIGSTOP)
    begun = time.monotonic()
    responses = [httpx.get(step, timeout=30) for step in steps]
    seconds = time.monotonic() - begun
    third.process.send_signal(signal.SIGCONT)
    assert {response.status_code for response in responses} == {200}
    assert [response.content for response in responses] == expected
    assert len(fleet.steps_at(third)) > 3
    assert seconds > 3, "it had batches of which nginx gave up the first three"


def test_streams_of_a_killed_server_go_on_at_the_other(fleet: Fleet, failing: tuple[LiveServer, Nginx]) -> None:
    third, nginx = failing
    with SamplerClient(fleet.servers[0].url) as client:
        expected = list(client.stream(seed=3, batch_size=BATCH_SIZE, stop=STEPS))
    with SamplerClient(nginx.url) as client:
        streams = [client.stream(seed=3, batch_size=BATCH_SIZE, stop=STEPS) for _ in range(2)]
        received = [[next(stream)] for stream in streams]
        assert third.metric("sampler_requests_in_flight") == 1
        third.process.kill()
        third.process.wait()
        for first, rest in zip(received, streams, strict=True):
            assert all(same(*pair) for pair in zip([*first, *rest], expected, strict=True))


def test_a_refusal_is_passed_on_with_the_time_to_wait(fleet: Fleet) -> None:
    settings = fleet.settings | {"max_requests": 1, "queue_seconds": 0, "pause_seconds": 3600, "retry_after": 7}
    with kill_at_end(), live_server(fleet.folder, **settings) as full:
        nginx = start_nginx(fleet.folder / "full", [full.url])
        with httpx.stream("GET", f"{full.url}/v1/stream?batch_size=2") as stream:
            pieces = stream.iter_raw()
            next(pieces)
            url = fleet.url(0, nginx)
            until(lambda: httpx.get(f"{nginx.url}/readyz").status_code == 503)
            refused = httpx.get(url)
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "7")
            assert refused.json()["type"].endswith(":overloaded")

        until(lambda: httpx.get(url).status_code == 200)


def test_without_any_server_the_response_is_502(fleet: Fleet, failing: tuple[LiveServer, Nginx]) -> None:
    third, _ = failing
    nginx = start_nginx(fleet.folder / "alone", [third.url])
    third.process.kill()
    third.process.wait()
    assert httpx.get(fleet.url(0, nginx)).status_code == 502
