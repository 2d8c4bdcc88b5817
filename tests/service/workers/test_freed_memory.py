"""What a worker holds does not grow with the number, the size or the layout of the samples that it has made."""

import re
import socket
import sys
import threading
from contextlib import nullcontext
from pathlib import Path

import psutil
import pytest

from sampler.ipc.frames import FrameSocket
from service.workers.protocol import ImagesJob, WorkerSetup, encode_job
from service.workers.worker import serve
from tests.support.coco_files import box_entry, category_entry, coco, image_entry, write_dataset
from tests.support.live_server import live_server, until
from tests.support.wire_client import batches

SMALL_IMAGES = 8
SIDE = 3000
"""Width and height of an image whose 27 MB of pixels the C library keeps when they are freed."""

SAMPLES = 480
"""Samples of one layout. All differ, so anything that is kept for each of them adds up."""

GROWTH = 5 << 20

JOBS = 3


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of a process from /proc")
def test_a_worker_that_has_made_many_samples_and_a_large_one_holds_no_more_than_before(tmp_path: Path) -> None:
    entries = [*(image_entry(number) for number in range(SMALL_IMAGES)), image_entry(SMALL_IMAGES, SIDE, SIDE)]
    boxes = [box_entry(n, image["id"], 1, [2 * n, 2, 20, 30]) for image in entries for n in range(1, 5)]
    for number, box in enumerate(boxes):
        box["id"] = number
    annotations, images = write_dataset(tmp_path, coco(entries, boxes, [category_entry(1)]))
    with live_server(
        tmp_path, annotations=annotations, images=images, cache_dir=tmp_path / "cache", workers=1, batch_cache_mb=0
    ) as server:
        (worker,) = server.workers()

        def make(query: str) -> None:
            for layout in ("compact", "dense", "sparse"):
                for _ in batches(server.url, query, layout):
                    pass

        small, large = (f"/v1/batches?indices={index}" for index in (0, SMALL_IMAGES))
        make(small)
        before = private_memory(worker)
        make(large)
        for _ in batches(server.url, f"/v1/stream?seed=1&batch_size=24&stop={SAMPLES // 24}", "sparse"):
            pass
        make(large)
        until(lambda: private_memory(worker) < before + GROWTH)


def private_memory(process: psutil.Process) -> int:
    """Bytes of private memory of a process, without its mapped files."""
    found = re.search(r"^RssAnon:\s+(\d+) kB$", Path(f"/proc/{process.pid}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) << 10


@pytest.mark.parametrize(("interval", "releases"), [(0.0, JOBS), (3600.0, 0)])
def test_a_busy_worker_releases_freed_memory_once_in_each_interval(
    interval: float, releases: int, setup: WorkerSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    released: list[bool] = []
    monkeypatch.setattr("service.workers.worker.RELEASE_SECONDS", interval)
    monkeypatch.setattr("service.workers.worker.release_freed_memory", lambda: released.append(True))
    # The worker is a thread of this process.
    monkeypatch.setattr("service.workers.worker.exit_with_parent", nullcontext)
    server_end, worker_end = socket.socketpair()
    with server_end, worker_end:
        worker = threading.Thread(target=serve, args=(FrameSocket(worker_end), {}))
        worker.start()
        server = FrameSocket(server_end)
        server.send(setup.encode())
        server.read()
        for number in range(1, JOBS + 1):
            server.send(encode_job(number, ImagesJob((0, 1, 2, 3))))
            server.read()
        server_end.shutdown(socket.SHUT_RDWR)
        worker.join()
    assert len(released) == releases
