"""Arrays that are read when they are used have the values of the file, and no file is mapped."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampler.dataset.dataset import open_dataset
from sampler.dataset.index.arrays import ARRAYS
from sampler.dataset.index.cache import ensure_index
from sampler.dataset.index.dataset_index import DatasetIndex
from sampler.dataset.index.storage import check_index, is_sound, mark_checked
from sampler.dataset.index.stored_array import StoredArray
from sampler.errors import AnnotationError
from tests.support.processes import run_python
from tests.support.scenes import write_scenes


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("arrays") / "rows.npy"
    np.save(file, np.arange(60, dtype=np.int32).reshape(20, 3))
    return file


@given(start=st.integers(-25, 25), stop=st.integers(-25, 25), step=st.sampled_from([None, 1, 2, -1]))
def test_slices_are_those_of_the_array(rows: Path, start: int, stop: int, step: int | None) -> None:
    array, whole = StoredArray(rows), np.load(rows)
    assert np.array_equal(array[start:stop:step], whole[start:stop:step])
    assert (len(array), array.shape, array.ndim) == (20, (20, 3), 2)
    assert array.dtype == whole.dtype


def test_elements_and_whole_arrays_are_those_of_the_array(rows: Path) -> None:
    array, whole = StoredArray(rows), np.load(rows)
    assert array[7].tolist() == array[-13].tolist() == whole[7].tolist()
    assert np.array_equal(array[[3, 1]], whole[[3, 1]])
    assert np.array_equal(np.diff(np.asarray(array)), np.diff(whole))
    assert array.tolist() == whole.tolist()
    assert array.tobytes() == b"".join(array.pieces()) == whole.tobytes()
    with pytest.raises(IndexError):
        _ = array[20]


def test_a_file_that_was_truncated_is_an_error(rows: Path, tmp_path: Path) -> None:
    file = tmp_path / "short.npy"
    file.write_bytes(rows.read_bytes())
    array = StoredArray(file)
    os.truncate(file, file.stat().st_size - 1)
    assert array[0].tolist() == [0, 1, 2]
    with pytest.raises(EOFError, match=r"short\.npy: ends before"):
        _ = array[19]


def test_an_index_that_is_read_equals_one_that_is_mapped(tmp_path: Path) -> None:
    folder = ensure_index(write_scenes(tmp_path)[0], tmp_path)
    mapped, read = DatasetIndex(folder), DatasetIndex(folder, mapped=False)
    assert len(mapped) == len(read) == 24
    for index in range(len(mapped)):
        assert mapped.file_name(index) == read.file_name(index)
        assert mapped.image_id(index) == read.image_id(index)
        assert mapped.size(index) == read.size(index)
        for keep in (True, False):
            assert np.array_equal(mapped.boxes(index, keep), read.boxes(index, keep))
        assert np.array_equal(mapped.crowd(index), read.crowd(index))
    assert (mapped.boxless_count, mapped.crowd_count) == (read.boxless_count, read.crowd_count)
    assert mapped.find([100, 107, 1])[1] == read.find([100, 107, 1])[1] == [1]
    for name, array in mapped.arrays().items():
        assert np.array_equal(array, read.arrays()[name], equal_nan=name == "area")


def test_opening_and_checking_an_index_without_mapping_maps_no_file(tmp_path: Path) -> None:
    annotations, images = write_scenes(tmp_path)
    code = (
        "import sys; from pathlib import Path; from sampler.dataset.dataset import open_dataset\n"
        "from sampler.dataset.index.storage import check_index\n"
        "files = [Path(name) for name in sys.argv[1:]]\n"
        "dataset = open_dataset(*files, mapped=False); check_index(dataset.index_dir); dataset.boxes(3)\n"
        "print(str(files[2]) in Path('/proc/self/maps').read_text())"
    )
    open_dataset(annotations, images, tmp_path / "cache")
    assert run_python("-c", code, annotations, images, tmp_path / "cache").stdout == "False\n"


@pytest.mark.parametrize("name", sorted(ARRAYS))
def test_an_array_that_lacks_its_end_is_damage_and_no_crash(name: str, tmp_path: Path) -> None:
    folder = ensure_index(write_scenes(tmp_path)[0], tmp_path)
    file = folder / f"{name}.npy"
    os.truncate(file, max(file.stat().st_size - 4096, 100))
    assert not is_sound(folder)
    with pytest.raises(AnnotationError, match="index is damaged"):
        check_index(folder)
    mark_checked(folder)
    assert not is_sound(folder)
