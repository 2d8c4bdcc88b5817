"""Files that are truncated while a server runs: a worker may die of it and is replaced, the server may not."""

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from sampler.dataset.dataset import Dataset, open_dataset
from tests.support.live_server import LiveServer, live_server, until
from tests.support.stores import folder_for, write_store
from tests.support.wire_client import body

QUERY = "seed=5&step=1&batch_size=24&layout=compact"


@pytest.fixture
def dataset(scenes: tuple[Path, Path], tmp_path: Path) -> Dataset:
    """The dataset of `server` in a separate cache folder, with a decoded store."""
    annotations = Path(shutil.copy2(scenes[0], tmp_path / "annotations.json"))
    opened = open_dataset(annotations, scenes[1], tmp_path / "cache")
    write_store(opened, tmp_path / "cache")
    return opened


@pytest.fixture
def victim(dataset: Dataset, scenes: tuple[Path, Path], tmp_path: Path) -> Iterator[LiveServer]:
    settings = {"annotations": tmp_path / "annotations.json", "images": scenes[1], "cache_dir": tmp_path / "cache"}
    with live_server(tmp_path, **settings, workers=2) as running:
        assert "decoded store: 24 of 24 images" in running.log
        yield running


def test_the_server_process_maps_no_file_of_the_cache_folder_and_its_workers_do(
    victim: LiveServer, tmp_path: Path
) -> None:
    httpx.get(f"{victim.url}/v1/batches?{QUERY}", timeout=60).raise_for_status()
    maps = {pid: Path(f"/proc/{pid}/maps").read_text() for pid in (victim.process.pid, victim.workers()[0].pid)}
    mapped = [any(f"{tmp_path}/cache/{folder}" in text for folder in ("indexes", "decoded")) for text in maps.values()]
    assert mapped == [False, True]


@pytest.mark.parametrize("part", ["index", "records", "pixels"])
def test_a_server_survives_truncated_files_and_sends_right_batches_or_errors(
    part: str, victim: LiveServer, dataset: Dataset, server: LiveServer, tmp_path: Path
) -> None:
    store = folder_for(dataset, tmp_path / "cache")
    files = {
        "index": sorted(dataset.index_dir.glob("*.npy")),
        "records": [store / "records.npy"],
        "pixels": [store / "pixels.bin"],
    }
    for file in files[part]:
        os.truncate(file, 0)
    for step in range(6):
        query = f"seed=5&step={step}&batch_size=24&layout=compact"
        with suppress(httpx.RemoteProtocolError):  # the response breaks off after the message that says why
            response = httpx.get(f"{victim.url}/v1/batches?{query}", timeout=60)
            assert response.status_code >= 500 or response.content == body(server.url, query)
        assert victim.process.poll() is None, victim.log
    assert httpx.get(f"{victim.url}/healthz").status_code == 200
    until(lambda: httpx.get(f"{victim.url}/readyz").status_code == 200)
    assert body(victim.url, QUERY) == body(server.url, QUERY), "replaced workers make the right samples again"
    assert victim.metric("sampler_worker_restarts_total") >= 1
