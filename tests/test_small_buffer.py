"""A buffer that is smaller than what a server would have ready: the reserve behind it stays untouched."""

import sys
from pathlib import Path

import pytest

from service.run_writer import CHUNK
from tests.live_server import live_server
from tests.test_service_memory import shared_pages
from tests.wire_client import one_batch

BUFFER_MB = 4


@pytest.mark.skipif(sys.platform != "linux", reason="pages of another process are listed by Linux only")
def test_no_worker_takes_memory_of_the_reserve_before_it_is_needed(
    scenes: tuple[Path, Path], cache_dir: Path, tmp_path: Path
) -> None:
    annotations, images = scenes
    settings = {"annotations": annotations, "images": images, "cache_dir": cache_dir}
    with live_server(tmp_path, **settings, workers=2, buffer_mb=BUFFER_MB) as server:
        for process in (server.process.pid, *(worker.pid for worker in server.workers())):
            assert shared_pages(process) <= (BUFFER_MB << 20) + CHUNK
        assert len(one_batch(server.url, "seed=1&step=0&batch_size=3").samples) == 3
