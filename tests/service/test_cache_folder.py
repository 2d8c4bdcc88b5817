"""A server whose cache folder is deleted, belongs to another user or cannot be opened."""

import json
import shutil
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from sampler.dataset.dataset import open_dataset
from sampler.wire.reader import RemoteError
from service.lifespan.startup import _arena
from service.settings.load import SettingsError
from service.settings.server import Settings
from tests.support.coco_files import small_coco, write_dataset, write_jpeg, write_json
from tests.support.hashes import record
from tests.support.live_server import LiveServer, live_server, until
from tests.support.stores import write_store
from tests.support.system_faults import no_descriptors
from tests.support.wire_client import body, get_spec, one_batch

QUERY = "indices=0,1,2&seed=5"


def start(
    tmp_path: Path, subset: Path | None = None, *, with_hashes_and_store: bool = False
) -> AbstractContextManager[LiveServer]:
    """Serve a small dataset with one worker, without cached batches."""
    annotations, images = write_dataset(tmp_path)
    cache = tmp_path / "cache"
    if with_hashes_and_store:
        dataset = open_dataset(annotations, images, cache)
        record(dataset, cache)
        assert write_store(dataset, cache) == []
    settings = {"annotations": annotations, "images": images, "cache_dir": cache, "workers": 1, "batch_cache_mb": 0}
    return live_server(tmp_path, **settings, **({} if subset is None else {"subset": subset}))


def replace_worker(server: LiveServer) -> None:
    (worker,) = server.workers()
    worker.kill()
    until(lambda: "is replaced" in server.log)


@pytest.mark.parametrize("subset", [False, True], ids=["a file", "a subset"])
def test_a_worker_is_replaced_after_the_cache_folder_was_deleted(tmp_path: Path, subset: bool) -> None:
    ids = write_json(tmp_path / "ids.json", [10, 20, 30])
    with start(tmp_path, ids if subset else None) as server:
        before, digest = body(server.url, QUERY), get_spec(server.url).digest
        assert f"digest {digest}, pixels not hashed, 1 workers" in server.log
        shutil.rmtree(tmp_path / "cache")
        replace_worker(server)
        assert body(server.url, QUERY) == before
        assert get_spec(server.url).digest == digest
        assert server.metric("sampler_workers_alive") == 1
        assert "annotations is gone or damaged; building it again" in server.log
        assert "damaged: " not in server.log
    assert (tmp_path / "cache" / "indexes").is_dir()


def test_images_are_still_checked_after_the_cache_folder_was_deleted_with_hashes_and_store(tmp_path: Path) -> None:
    with start(tmp_path, with_hashes_and_store=True) as server:
        before, pixels = body(server.url, QUERY), get_spec(server.url).pixels
        assert f"pixels {pixels}, 1 workers" in server.log
        shutil.rmtree(tmp_path / "cache")
        replace_worker(server)
        assert body(server.url, QUERY) == before
        assert get_spec(server.url).pixels == pixels
        assert "decoded images are not used" in server.log
        image = next((tmp_path / "images").iterdir())
        write_jpeg(image, 64, 48, seed=99)
        with pytest.raises(RemoteError, match=rf"{image.name}.*not the one whose hash was recorded"):
            one_batch(server.url, "indices=0,1,2&seed=6")


def test_the_log_says_why_no_worker_starts_if_the_annotations_have_changed_as_well(tmp_path: Path) -> None:
    with start(tmp_path) as server:
        body(server.url, QUERY)
        shutil.rmtree(tmp_path / "cache")
        content = small_coco()
        content["annotations"].pop()
        (tmp_path / "annotations.json").write_text(json.dumps(content))
        replace_worker(server)
        until(lambda: "a worker cannot start" in server.log)
        line = next(line for line in server.log.splitlines() if "a worker cannot start" in line)
        assert "the annotations have changed since this server started" in line
        assert "restart the server" in line


def test_an_arena_without_a_descriptor_is_not_too_large() -> None:
    settings = Settings(buffer_mb=1)
    with no_descriptors(), pytest.raises(SettingsError, match=r"Too many open files .*raise the limit \(ulimit -n"):
        _arena(settings, 1000)
