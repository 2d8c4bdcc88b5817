"""Compiled code is cached on disk, and discarded when a source that it depends on changes."""

import ast
from collections.abc import Iterator
from pathlib import Path

import numba
import pytest

from sampler.kernels.compiled.code_cache import SOURCES, discard_stale, enable_cache
from tests.support.laws import CATEGORIES
from tests.support.paths import ROOT
from tests.support.processes import run_python
from tests.support.system_faults import UNKNOWN_USER

FILES = sorted((ROOT / "sampler/kernels/compiled").glob("*.py"))

RENDER = f"""
from sampler.kernels.compiled import colour, targets
from sampler.config.presets import PRESETS
from sampler.kernels.selection import fastest_kernels
from sampler.layouts.convert import unpack_batch
from sampler.array_table import allocate
import numpy as np

config = PRESETS["cornernet_saccade"]
sample = {{
    "crop": np.zeros((*config.input_size, 3), np.uint8), "colour": np.zeros((3, 4), np.float32),
    "boxes": np.array([[8, 8, 90, 90, 1]], np.float32), "objects": np.ones(1, np.uint8),
}}
RENDERING = (*colour.KERNELS, *targets.KERNELS)
kernels = fastest_kernels()
assert not any(kernel.stats.cache_misses for kernel in RENDERING), "compiled before anything was to be rendered"
unpack_batch([sample], "compact", config, allocate(config, {CATEGORIES}, 1), kernels)
counts = ([getattr(kernel.stats, name) for kernel in RENDERING] for name in ("cache_misses", "cache_hits"))
print(*(sum(sum(count.values()) for count in named) for named in counts))
"""


NOWHERE = """
from numba.core.caching import CacheImpl, CompileResultCacheImpl

CompileResultCacheImpl._locator_classes = CacheImpl._locator_classes = []
"""
"""Empties Numba's list of cache locations, as on a read-only system."""


def warm_up(folder: Path) -> set[str]:
    """Warm up in a new process; return the names of the files that the cache has afterwards."""
    code = "from sampler.kernels.compiled.kernels import warm_up; warm_up()"
    run_python("-c", code, variables={"NUMBA_CACHE_DIR": folder}, coverage=False)
    return {file.name for file in folder.rglob("*.nb?")}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the code that a warm-up compiled."""
    folder = tmp_path_factory.mktemp("cache")
    assert any(name.startswith("crop._resize_rows") for name in warm_up(folder))
    return folder


def test_compiled_code_is_cached_and_found_again(cache: Path) -> None:
    first = {file.name for file in cache.rglob("*.nb?")}
    assert warm_up(cache) == first


class UncachedKernel:
    """A kernel without a cache folder until one is set."""

    def __init__(self) -> None:
        self.cached_in = ""

    def enable_caching(self) -> None:
        if not numba.config.CACHE_DIR:
            raise RuntimeError("no locator available")
        self.cached_in = numba.config.CACHE_DIR


def test_the_fallback_folder_is_used_if_no_other_is_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    kernel = UncachedKernel()
    enable_cache(kernel, None)
    assert kernel.cached_in == ""
    enable_cache(kernel, tmp_path)
    assert kernel.cached_in == str(tmp_path)


def test_code_is_cached_nowhere_if_the_fallback_folder_is_not_writable_either(
    tmp_path: Path,
) -> None:
    file = tmp_path / "file"
    file.touch()
    code = """
import sys
from pathlib import Path
from numba.core.caching import CompileResultCacheImpl, UserProvidedCacheLocator
CompileResultCacheImpl._locator_classes = [UserProvidedCacheLocator]
from sampler.kernels.compiled.kernels import ENTRY_POINTS, enable_code_cache
enable_code_cache(Path(sys.argv[1]))
print([kernel.stats.cache_path for kernel in ENTRY_POINTS if kernel.stats.cache_path])
"""
    assert run_python("-c", code, file / "kernels", coverage=False).stdout == "[]\n"


def render(cache: Path, before: str = "") -> tuple[int, int]:
    """Render in a new process; return how many kernels were compiled and how many loaded from the cache."""
    done = run_python("-c", before + RENDER, variables={"NUMBA_CACHE_DIR": cache}, coverage=False)
    compiled, found = done.stdout.split()
    return int(compiled), int(found)


def test_a_process_loads_the_code_that_another_compiled(cache: Path) -> None:
    compiled, found = render(cache)
    assert compiled == 0
    assert found > 0


def test_rendering_works_without_a_writable_folder(tmp_path: Path) -> None:
    compiled, found = render(tmp_path, NOWHERE)
    assert compiled > 0
    assert found == 0
    assert not list(tmp_path.iterdir())


def write_cached_files(folder: Path) -> list[Path]:
    files = [folder / "crop._resize_rows-1.py311.nbi", folder / "philox._words-1.py311.1.nbc"]
    for file in files:
        file.touch()
    return files


def test_code_of_the_current_sources_is_kept(tmp_path: Path) -> None:
    discard_stale(tmp_path)
    files = write_cached_files(tmp_path)
    discard_stale(tmp_path)
    assert all(file.exists() for file in files)


def test_code_of_other_or_unknown_sources_is_removed(tmp_path: Path) -> None:
    other = tmp_path / "somebody_elses.nbi"
    other.touch()
    for note in ("other sources", None):
        files = write_cached_files(tmp_path)
        if note is None:
            (tmp_path / SOURCES).unlink()
        else:
            (tmp_path / SOURCES).write_text(note)
        discard_stale(tmp_path)
        assert not any(file.exists() for file in files)
        assert other.exists()


def test_enabling_the_cache_discards_stale_code(tmp_path: Path) -> None:
    code = "from sampler.kernels.compiled.kernels import enable_code_cache; enable_code_cache()"
    variables = {"NUMBA_CACHE_DIR": tmp_path}
    run_python("-c", code, variables=variables)
    (note,) = tmp_path.rglob(SOURCES)
    files = write_cached_files(note.parent)
    note.write_text("other sources")
    run_python("-c", code, variables=variables)
    assert not any(file.exists() for file in files)


def imported_names(tree: ast.Module) -> set[str]:
    """The names that a module imports from the sampler outside of `sampler/kernels/compiled`."""
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    modules = [one.module or "" for one in imports]
    foreign = [
        one
        for one, name in zip(imports, modules, strict=True)
        if name.startswith("sampler.") and not name.startswith("sampler.kernels.compiled.")
    ]
    return {alias.asname or alias.name for one in foreign for alias in one.names}


def compiled(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """The functions that Numba compiles."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and any("njit" in ast.unparse(one) for one in node.decorator_list):
            yield node


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_kernels_use_no_globals_from_other_folders(file: Path) -> None:
    tree = ast.parse(file.read_text())
    for kernel in compiled(tree):
        used = {node.id for line in kernel.body for node in ast.walk(line) if isinstance(node, ast.Name)}
        assert not used & imported_names(tree), f"{file.name}, {kernel.name}: expected an argument in place of a global"


def test_kernels_are_found() -> None:
    found = [kernel.name for file in FILES for kernel in compiled(ast.parse(file.read_text()))]
    assert len(found) > 20


def test_compiled_code_that_cannot_be_written_is_reported_with_its_folder(tmp_path: Path) -> None:
    code = """
import resource
from sampler.errors import CacheError
from sampler.kernels.compiled.kernels import warm_up
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    warm_up()
except CacheError as error:
    print(error)
"""
    printed = run_python("-c", code, variables={"NUMBA_CACHE_DIR": tmp_path}, coverage=False).stdout
    assert printed.startswith(str(tmp_path))
    assert "compiled code cannot be cached: File too large; set another folder" in printed


def test_without_a_home_folder_no_folder_is_made_in_the_current_one(tmp_path: Path) -> None:
    code = (
        UNKNOWN_USER
        + """
import os
for name in ("HOME", "XDG_CACHE_HOME"):
    os.environ.pop(name, None)
from numba.core.caching import CompileResultCacheImpl, UserWideCacheLocator
CompileResultCacheImpl._locator_classes = [UserWideCacheLocator]
from sampler.kernels.compiled.kernels import enable_code_cache
enable_code_cache()
"""
    )
    run_python("-c", code, cwd=tmp_path, variables={"PYTHONPATH": ROOT}, coverage=False)
    assert not list(tmp_path.iterdir())
