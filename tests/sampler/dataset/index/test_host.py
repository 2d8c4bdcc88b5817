"""An index on a host that refuses files: reported as that, and never taken for a damaged index."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sampler.dataset.index.cache import ensure_index
from sampler.dataset.index.dataset_index import DatasetIndex
from sampler.dataset.index.storage import check_index, is_sound, read_left_out
from sampler.errors import AnnotationError, CacheError, SamplerError
from tests.support.coco_files import small_coco
from tests.support.processes import run_python
from tests.support.system_faults import forbidden, no_descriptors

Read = Callable[[Path], object]

LIMITED = """
import resource, sys
from tests.support.commands import app
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), 4096))
sys.argv = ["sampler", *sys.argv[2:]]
app()
"""


def content_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {file.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in folder.iterdir()}


@pytest.mark.parametrize("limit", range(4, 16, 3))
def test_too_few_descriptors_are_named_by_the_command(limit: int, annotations: Path, tmp_path: Path) -> None:
    folder = ensure_index(annotations, tmp_path)
    before = content_of(folder)
    arguments = ["index", "--annotations", annotations, "--cache-dir", tmp_path]
    done = run_python("-c", LIMITED, limit, *arguments, check=False, coverage=False)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"Too many open files (this process may open {limit}); raise the limit (ulimit -n" in line
    assert "damaged" not in line
    assert content_of(folder) == before


@pytest.mark.parametrize("read", [DatasetIndex, check_index, is_sound, read_left_out])
def test_an_index_without_descriptors_to_open_it_is_not_damaged(read: Read, annotations: Path, tmp_path: Path) -> None:
    folder = ensure_index(annotations, tmp_path)
    with no_descriptors(), pytest.raises(CacheError, match="index cannot be read: Too many open files"):
        read(folder)


@pytest.mark.parametrize("read", [DatasetIndex, check_index, is_sound, read_left_out])
def test_an_index_of_another_user_is_not_damaged(read: Read, annotations: Path, tmp_path: Path) -> None:
    folder = ensure_index(annotations, tmp_path)
    with forbidden(folder), pytest.raises(CacheError, match=r"cannot be read: Permission denied.*SAMPLER_CACHE_DIR"):
        read(folder)


def test_an_index_of_another_user_is_not_built_again(annotations: Path, tmp_path: Path) -> None:
    folder = ensure_index(annotations, tmp_path / "cache")
    annotations.write_text(json.dumps(small_coco()))
    before = content_of(folder)
    with forbidden(tmp_path / "cache"), pytest.raises(SamplerError, match="Permission denied"):
        ensure_index(annotations, tmp_path / "cache")
    assert content_of(folder) == before


def test_a_cache_folder_that_is_a_file_is_named(annotations: Path, tmp_path: Path) -> None:
    file = tmp_path / "cache"
    file.touch()
    with pytest.raises(AnnotationError, match=rf"{file} is not a folder; set another cache folder"):
        ensure_index(annotations, file)


def test_a_deleted_index_is_missing_and_not_damaged(annotations: Path, tmp_path: Path) -> None:
    folder = ensure_index(annotations, tmp_path)
    shutil.rmtree(folder)
    with pytest.raises(AnnotationError, match="index does not exist; start again to build it"):
        DatasetIndex(folder)
    assert ensure_index(annotations, tmp_path) == folder
