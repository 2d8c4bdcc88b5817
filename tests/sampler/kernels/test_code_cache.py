"""Compiled code never outlives the sources it was compiled from."""

from pathlib import Path

from sampler.kernels.compiled.code_cache import SOURCES, discard_stale
from tests.support.processes import run_python


def keep(folder: Path) -> list[Path]:
    files = [folder / "crop._resize_rows-1.py311.nbi", folder / "philox._words-1.py311.1.nbc"]
    for file in files:
        file.touch()
    return files


def test_code_of_these_sources_stays(tmp_path: Path) -> None:
    discard_stale(tmp_path)
    files = keep(tmp_path)
    discard_stale(tmp_path)
    assert all(file.exists() for file in files)


def test_code_of_other_sources_or_of_unknown_ones_goes(tmp_path: Path) -> None:
    other = tmp_path / "somebody_elses.nbi"
    other.touch()
    for note in ("other sources", None):
        files = keep(tmp_path)
        if note is None:
            (tmp_path / SOURCES).unlink()
        else:
            (tmp_path / SOURCES).write_text(note)
        discard_stale(tmp_path)
        assert not any(file.exists() for file in files)
        assert other.exists()


def test_whoever_keeps_code_looks_at_its_sources_first(tmp_path: Path) -> None:
    code = "from sampler.kernels.compiled.kernels import enable_code_cache; enable_code_cache()"
    variables = {"NUMBA_CACHE_DIR": tmp_path}
    run_python("-c", code, variables=variables)
    (note,) = tmp_path.rglob(SOURCES)
    files = keep(note.parent)
    note.write_text("other sources")
    run_python("-c", code, variables=variables)
    assert not any(file.exists() for file in files)
