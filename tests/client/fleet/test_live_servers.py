"""Real servers, of which one is stopped and one is killed while a loader trains."""

import hashlib
import signal
import time
from pathlib import Path

import pytest

from client import Batch, SamplerClient, loader
from tests.support.live_server import LiveServer, live_server

STOP = 60
LONGEST = 6.0
"""Longest gap in seconds, also on a busy machine. Without another server, the loader would wait for a time-out."""


def hash_of(batch: Batch) -> str:
    digest = hashlib.sha256(repr((batch.step, batch.keys)).encode())
    for array in batch.arrays.values():
        digest.update(array.tobytes())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def expected(server: LiveServer) -> list[str]:
    """The hash of each step, from one server."""
    with SamplerClient(server.url) as one:
        return [hash_of(batch) for batch in one.stream(seed=7, batch_size=6, stop=STOP)]


def test_a_loader_gets_the_bytes_of_one_server_while_others_hang_and_die(
    server: LiveServer, scenes: tuple[Path, Path], cache_dir: Path, tmp_path: Path, expected: list[str]
) -> None:
    own = {"annotations": scenes[0], "images": scenes[1], "cache_dir": cache_dir, "workers": 1}
    got, longest = [], 0.0
    with live_server(tmp_path, **own) as hung, live_server(tmp_path, **own) as killed:
        urls = [hung.url, killed.url, server.url]
        with loader(urls, seed=7, batch_size=6, stop=STOP, layout="dense", log_every=None) as batches:
            given = time.monotonic()
            for batch in batches:
                if batch.step:  # before the first batch, the loader's process starts
                    longest = max(longest, time.monotonic() - given)
                got.append(hash_of(batch))
                if batch.step == 20:
                    hung.send(signal.SIGSTOP)
                if batch.step == 40:
                    killed.send(signal.SIGKILL)
                given = time.monotonic()
        hung.send(signal.SIGCONT)
        killed.process.wait()
    assert got == expected
    assert longest < LONGEST


def test_every_step_of_all_ranks_is_that_of_one_server(
    server: LiveServer, scenes: tuple[Path, Path], cache_dir: Path, tmp_path: Path
) -> None:
    own = {"annotations": scenes[0], "images": scenes[1], "cache_dir": cache_dir, "workers": 1}
    with live_server(tmp_path, **own) as other, SamplerClient([server.url, other.url]) as several:
        with SamplerClient(server.url) as one:
            for rank in range(3):
                hashes = [
                    [hash_of(batch) for batch in used.stream(seed=9, batch_size=7, rank=rank, world_size=3, stop=6)]
                    for used in (one, several)
                ]
                assert hashes[0] == hashes[1]
        assert several.statistics is not None
        assert {row.failures for row in several.statistics.servers} == {0}
