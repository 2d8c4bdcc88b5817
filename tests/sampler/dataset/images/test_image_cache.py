"""The image cache: shared, bounded, exact, and safe when processes are killed."""

import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampler.dataset.dataset import Dataset, open_dataset
from sampler.dataset.images import image_cache
from sampler.dataset.images.decode import ReadOptions
from sampler.dataset.images.image_cache import MEGABYTE, ImageCache
from sampler.errors import ImageError
from tests.support.coco_files import image_file, write_dataset
from tests.support.live_server import LiveServer, live_server, until
from tests.support.processes import start_python
from tests.support.wire_client import body

HEIGHT, WIDTH = 100, 120
SIZE = HEIGHT * WIDTH * 3


def picture(index: int, height: int = HEIGHT, width: int = WIDTH) -> npt.NDArray[np.uint8]:
    """(height, width, 3): noise that belongs to an index."""
    return np.random.Generator(np.random.Philox(key=index)).integers(0, 256, (height, width, 3), np.uint8)


CHURN = """
import os, sys
from sampler.dataset.images import image_cache
from sampler.dataset.images.decode import ReadOptions
from sampler.dataset.images.image_cache import ImageCache
import numpy as np

def picture(index):
    return np.random.Generator(np.random.Philox(key=index)).integers(0, 256, (100, 120, 3), np.uint8)

image_cache._ADMISSION = 1  # every image is stored, so that one is always being written
cache, first = ImageCache(os.open(sys.argv[1], os.O_RDWR)), int(sys.argv[2])
pictures = [picture(index) for index in range(60)]
print("ready", flush=True)
found = 0
turns = np.random.Generator(np.random.Philox(key=first)).integers(0, 60, int(sys.argv[3]))
for index in turns.tolist():
    pixels = cache.get(index, 100, 120)
    if pixels is None:
        cache.put(index, pictures[index])
    else:
        assert np.array_equal(pixels, pictures[index]), index
        found += 1
print(found, flush=True)
"""


def address(cache: ImageCache) -> str:
    """The path by which another process opens the memory of a cache."""
    return f"/proc/{os.getpid()}/fd/{cache.descriptor}"


def start_churn(cache: ImageCache, first: int, turns: int) -> "subprocess.Popen[str]":
    return start_python("-c", CHURN, address(cache), first, turns)


def holder(cache: ImageCache) -> "subprocess.Popen[str]":
    """A process that holds the lock of a cache, and then does nothing."""
    code = (
        "import fcntl, os, sys, time\n"
        "fcntl.lockf(os.open(sys.argv[1], os.O_RDWR), fcntl.LOCK_EX); print('held', flush=True); time.sleep(60)"
    )
    process = start_python("-c", code, address(cache))
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_get_returns_what_put_stored(tmp_path: Path) -> None:
    cache = ImageCache.create(4, 1000)
    for index in (0, 7, 999):
        assert cache.get(index, HEIGHT, WIDTH) is None
        cache.put(index, picture(index))
    for index in (999, 0, 7, 0):
        found = cache.get(index, HEIGHT, WIDTH)
        assert found is not None
        assert np.array_equal(found, picture(index))
        found[:] = 0  # the caller's own
    assert (cache.hits, cache.misses) == (4, 3)


def test_processes_share_images() -> None:
    cache = ImageCache.create(4, 60)
    for index in range(60):
        cache.put(index, picture(index))
    process = start_churn(cache, 0, 120)
    printed, errors = process.communicate(timeout=60)
    assert printed == "ready\n120\n", errors
    assert cache.hits == 120


def test_memory_is_bounded() -> None:
    cache = ImageCache.create(2, 10_000)
    for index in range(400):
        cache.put(index, picture(index))
        if index % 50 == 49:
            status = Path(address(cache)).stat()
            assert status.st_size == 2 * MEGABYTE
            assert status.st_blocks * 512 <= 2 * MEGABYTE + 4096
    assert 6 * cache.nbytes < 400 * SIZE


def test_all_images_are_admitted_while_there_is_space() -> None:
    cache = ImageCache.create(2, 10_000)
    most = cache.nbytes // (SIZE + 64)
    for index in range(most):
        cache.put(index, picture(index))
    assert [n for n in range(most) if cache.get(n, HEIGHT, WIDTH) is None] == []


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_the_hit_rate_is_nearly_the_cached_share_of_the_dataset(share: float) -> None:
    cache = ImageCache.create(10, 100)
    size = round(cache.nbytes / (100 * share)) // WIDTH // 3
    pictures = [picture(index, size, WIDTH) for index in range(100)]
    random = np.random.Generator(np.random.Philox(key=5))
    for _ in range(12):
        for index in random.permutation(100).tolist():
            if cache.get(index, size, WIDTH) is None:
                cache.put(index, pictures[index])
    assert cache.hits / 1200 > 0.75 * share


def test_frequently_read_images_are_admitted_to_a_full_cache() -> None:
    cache = ImageCache.create(1, 1000)
    for index in range(100, 150):
        cache.put(index, picture(index))
    wanted = [picture(index) for index in range(10)]
    for _ in range(80):
        for index in range(10):
            if cache.get(index, HEIGHT, WIDTH) is None:
                cache.put(index, wanted[index])
    assert all(cache.get(index, HEIGHT, WIDTH) is not None for index in range(10))


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 300), st.integers(1, 300)), max_size=60))
def test_images_of_any_size_are_returned_unchanged_or_not_at_all(turns: list[tuple[int, int, int]]) -> None:
    cache = ImageCache.create(1, 11)
    sizes: dict[int, tuple[int, int]] = {}
    for index, *size in turns:
        height, width = sizes.setdefault(index, (size[0], size[1]))
        cache.put(index, picture(index, height, width))
        for other, (other_height, other_width) in sizes.items():
            found = cache.get(other, other_height, other_width)
            assert found is None or np.array_equal(found, picture(other, other_height, other_width))


def test_an_image_larger_than_the_cache_is_not_admitted() -> None:
    cache = ImageCache.create(1, 10)
    cache.put(1, picture(1))
    large = np.zeros((700, 700, 3), np.uint8)
    cache.put(2, large)
    assert cache.get(2, 700, 700) is None
    assert cache.get(1, HEIGHT, WIDTH) is not None


def test_an_image_of_another_size_is_a_miss() -> None:
    cache = ImageCache.create(1, 10)
    cache.put(1, picture(1))
    assert cache.get(1, HEIGHT, WIDTH + 1) is None
    assert cache.get(1, WIDTH, HEIGHT) is not None, "the same number of bytes: sizes are the dataset's"


@pytest.mark.parametrize("offset", [0, 8, 16, 24, 32, 20_000])
def test_a_damaged_image_is_a_miss(offset: int) -> None:
    cache = ImageCache.create(1, 10)
    cache.put(1, picture(1))
    memory = Path(address(cache)).read_bytes()
    at = memory.index(picture(1)[0].tobytes()) - 32 + offset
    with Path(address(cache)).open("r+b") as stream:
        stream.seek(at)
        stream.write(bytes([memory[at] ^ 1]))
    assert cache.get(1, HEIGHT, WIDTH) is None


def test_an_image_is_stored_though_the_process_with_the_lock_is_suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = ImageCache.create(1, 10)
    process = holder(cache)

    def release(_: float) -> None:
        process.kill()
        process.communicate(timeout=30)

    monkeypatch.setattr(image_cache, "sleep", release)
    cache.put(1, picture(1))
    assert cache.get(1, HEIGHT, WIDTH) is not None


def test_a_stopped_process_that_holds_the_lock_blocks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = ImageCache.create(1, 10)
    cache.put(1, picture(1))
    pauses: list[float] = []
    monkeypatch.setattr(image_cache, "sleep", pauses.append)
    process = holder(cache)
    process.send_signal(signal.SIGSTOP)
    try:
        for _ in range(3):
            cache.put(2, picture(2))
        assert cache.get(2, HEIGHT, WIDTH) is None, "left out"
        assert cache.get(1, HEIGHT, WIDTH) is not None
        assert 0.01 <= sum(pauses) <= 0.1001, "only the first image pauses"
    finally:
        process.kill()
        process.communicate(timeout=30)
    cache.put(2, picture(2))
    assert cache.get(2, HEIGHT, WIDTH) is not None, "the lock goes with its process"


def test_killed_processes_damage_no_image() -> None:
    cache = ImageCache.create(1, 60)  # room for half of the images, so that all of them write all the time
    survivors = [start_churn(cache, first, 2500) for first in (0, 29)]
    for number in range(8):
        victim = start_churn(cache, number * 5, 1_000_000)
        assert victim.stdout is not None
        assert victim.stdout.readline() == "ready\n"
        time.sleep(0.01 + 0.003 * number)
        victim.kill()
        victim.communicate(timeout=30)
    for survivor in survivors:
        printed, errors = survivor.communicate(timeout=60)
        assert survivor.returncode == 0, errors
        assert int(printed.split()[1]) > 0
    for _ in range(100):
        cache.put(3, picture(3))
    found = cache.get(3, HEIGHT, WIDTH)
    assert found is not None, "new images still get in"
    assert np.array_equal(found, picture(3))


def test_running_out_of_memory_is_not_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = ImageCache.create(1, 10)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwritev", full)
        cache.put(1, picture(1))
    assert cache.get(1, HEIGHT, WIDTH) is None


@pytest.fixture
def small(tmp_path: Path) -> Dataset:
    return open_dataset(*write_dataset(tmp_path), tmp_path)


def test_datasets_that_share_a_cache_decode_an_image_once(small: Dataset) -> None:
    cache = ImageCache.create(1, len(small))
    first = small.with_decoded(cache=cache)
    second = small.with_decoded(cache=ImageCache(os.dup(cache.descriptor)))
    expected = [first.read(index).pixels for index in range(3)]
    for index in range(3):
        image_file(small, index).unlink()
        assert np.array_equal(second.read(index).pixels, expected[index])
        assert np.array_equal(first.read(index).pixels, expected[index])


def test_an_image_that_cannot_be_decoded_is_an_error_each_time(small: Dataset) -> None:
    dataset = small.with_decoded(cache=ImageCache.create(1, len(small)))
    whole = image_file(small, 1).read_bytes()
    image_file(small, 1).write_bytes(whole[:-100])
    for _ in range(2):
        with pytest.raises(ImageError, match="image 1 "):
            dataset.read(1)
    image_file(small, 1).write_bytes(whole)
    assert np.array_equal(dataset.read(1).pixels, small.read(1).pixels)


def test_the_pixel_limit_holds_for_a_cache_too(small: Dataset) -> None:
    cache = ImageCache.create(1, len(small))
    small.with_decoded(cache=cache).read(0)
    with pytest.raises(ImageError, match="limit of 10"):
        Dataset(small.index_dir, small.images, ReadOptions(10), None, cache).read(0)


def test_a_server_with_a_cache_serves_the_same_bytes_and_counts_hits(
    server: LiveServer, scenes: tuple[Path, Path], cache_dir: Path, tmp_path: Path
) -> None:
    annotations, images = scenes
    settings = {"annotations": annotations, "images": images, "cache_dir": cache_dir, "workers": 2}
    query = "seed=5&step=1&batch_size=24&layout=compact"
    with live_server(tmp_path, decoded_cache_mb=16, batch_cache_mb=0, **settings) as cached:
        for _ in range(2):
            assert body(cached.url, query) == body(server.url, query)
        lookups = "sampler_image_cache_lookups_total"
        found, missed = (cached.metric(f'{lookups}{{found="{how}"}}') for how in ("hit", "miss"))
        assert found + missed == 48
        assert found >= 20, "an image is left out only if a worker is suspended for long while it holds the lock"
        cached.workers()[0].kill()
        until(lambda: cached.metric("sampler_worker_restarts_total") == 1 and len(cached.workers()) == 2)
        other = query.replace("seed=5", "seed=6")
        assert body(cached.url, other) == body(server.url, other)
        assert cached.metric('sampler_image_cache_lookups_total{found="miss"}') <= missed + 4
        assert "image cache: 16 MB" in cached.log
    assert server.metric('sampler_image_cache_lookups_total{found="hit"}') == 0
