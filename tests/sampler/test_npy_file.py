"""Array files are read as NumPy reads them; anything else is a ValueError, whatever NumPy would make of it."""

from pathlib import Path
from random import Random

import numpy as np
import pytest

from sampler.npy_file import load_npy, read_npy_header

ARRAYS = [
    np.arange(12, dtype="<i8").reshape(3, 4), np.zeros((0, 4), "<f4"), np.zeros(0, "<f8"), np.ones(5, bool),
    np.arange(3, dtype=np.uint8), np.full((2, 3, 4), np.nan), np.arange(6, dtype="<u8").reshape(1, 6),
]  # fmt: skip


@pytest.mark.parametrize("mapped", [True, False])
@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_arrays_are_read_as_they_were_written(array: np.ndarray, mapped: bool, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", array)
    found = load_npy(tmp_path / "a.npy", mapped=mapped)
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert np.array_equal(found, array, equal_nan=array.dtype.kind == "f")


@pytest.mark.parametrize("header", [
    "{'descr': '<i8', 'fortran_order': False, 'shape': (3",  # NumPy: tokenize.TokenError
    "{'descr': '<i8', 'fortran_order': False, 'shape': (3L,), }",  # NumPy: a warning
    "{'descr': '<i8', 'fortran_order': True, 'shape': (3,), }",
    "{'descr': '|O', 'fortran_order': False, 'shape': (3,), }",
    "{'descr': '|a8', 'fortran_order': False, 'shape': (3,), }",  # NumPy: a deprecated name, which is a warning
    "{'descr': '<z9', 'fortran_order': False, 'shape': (3,), }",
    "{'descr': '<i8', 'fortran_order': False, 'shape': (99999999999999,), }",
    "{'descr': '<i8', 'fortran_order': False, 'shape': (-3,), }",
    "{'descr': '<i8', 'fortran_order': False, 'shape': (), }",
    "(" * 110,
])  # fmt: skip
@pytest.mark.parametrize("mapped", [True, False])
def test_a_damaged_header_is_a_value_error(header: str, mapped: bool, tmp_path: Path) -> None:
    file = tmp_path / "a.npy"
    np.save(file, np.arange(3))
    file.write_bytes(file.read_bytes()[:10] + header.encode().ljust(117) + b"\n" + file.read_bytes()[128:])
    with pytest.raises(ValueError, match=r"a\.npy"):
        load_npy(file, mapped=mapped)


@pytest.mark.parametrize("length", [0, 5, 9, 60, 127, 128, 151])
def test_a_truncated_file_is_a_value_error(length: int, tmp_path: Path) -> None:
    file = tmp_path / "a.npy"
    np.save(file, np.arange(3))
    file.write_bytes(file.read_bytes()[:length])
    for mapped in (True, False):
        with pytest.raises(ValueError, match=r"a\.npy"):
            load_npy(file, mapped=mapped)


def test_changed_headers_are_read_or_a_value_error(tmp_path: Path) -> None:
    file, rng = tmp_path / "a.npy", Random(1)
    np.save(file, np.arange(30).reshape(5, 6))
    whole = file.read_bytes()
    outcomes = set()
    for _ in range(500):
        changed = bytearray(whole)
        changed[rng.randrange(80)] = rng.randrange(256)
        file.write_bytes(changed)
        try:
            with file.open("rb") as stream:
                shape, _, _ = read_npy_header(stream, file.name)
            outcomes.add(load_npy(file, mapped=False).shape == shape)
        except ValueError:
            outcomes.add(False)
    assert outcomes == {True, False}
