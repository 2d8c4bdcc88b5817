"""Machine code is cached on disk, found by everything that it depends on, and loaded without Numba."""

import ast
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from sampler.errors import CacheError
from sampler.kernels.compiled import code_cache
from sampler.kernels.compiled.code_cache import CodeCache, code_digest, code_folders, find_or_compile, read_code
from sampler.kernels.compiled.machine_code import MachineCode
from tests.support.paths import ROOT
from tests.support.processes import output_of, run_python, start_python

FILES = sorted((ROOT / "sampler/kernels/compiled").glob("*.py"))
CODE = MachineCode(b"machine code", {"boxes.clip": "saccade_boxes_clip"})


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[MachineCode]:
    """What is compiled from now on: at once, and always the same."""
    made: list[MachineCode] = []

    def compile_kernels() -> MachineCode:
        made.append(CODE)
        return CODE

    monkeypatch.setattr(code_cache, "compile_kernels", compile_kernels)
    return made


def test_code_is_compiled_once_and_found_again(tmp_path: Path, compiled: list[MachineCode]) -> None:
    announced: list[int] = []
    for _ in range(3):
        assert find_or_compile([tmp_path / "new" / "folder"], lambda: announced.append(len(compiled))) == CODE
    assert len(compiled) == 1
    assert announced == [0]


def test_code_is_found_in_any_folder(tmp_path: Path, compiled: list[MachineCode]) -> None:
    find_or_compile([tmp_path / "second"])
    assert find_or_compile([tmp_path / "first", tmp_path / "second"]) == CODE
    assert len(compiled) == 1
    assert not (tmp_path / "first").exists()


def test_of_several_processes_one_compiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[MachineCode] = []

    def compile_slowly() -> MachineCode:
        time.sleep(0.2)
        compiled.append(CODE)
        return CODE

    monkeypatch.setattr(code_cache, "compile_kernels", compile_slowly)
    with ThreadPoolExecutor(4) as pool:  # a lock of a file holds between threads that open it, too
        assert list(pool.map(lambda _: find_or_compile([tmp_path]), range(4))) == [CODE] * 4
    assert len(compiled) == 1


def test_code_goes_into_the_first_folder_that_can_be_written(tmp_path: Path, compiled: list[MachineCode]) -> None:
    file = tmp_path / "file"
    file.touch()
    find_or_compile([file / "in a file", file, tmp_path / "writable", tmp_path / "other"])
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "writable"]
    assert len(list((tmp_path / "writable").glob("*.code"))) == 1


def test_without_a_writable_folder_code_is_compiled_each_time(tmp_path: Path, compiled: list[MachineCode]) -> None:
    file = tmp_path / "file"
    file.touch()
    for count in (1, 2):
        assert find_or_compile([file / "folder"]) == CODE
        assert len(compiled) == count


@pytest.mark.parametrize(("kept", "added"), [(0, b""), (-1, b""), (40, b"?"), (None, b"?")])
def test_a_damaged_file_is_replaced(
    tmp_path: Path, compiled: list[MachineCode], kept: int | None, added: bytes
) -> None:
    find_or_compile([tmp_path])
    (file,) = tmp_path.glob("*.code")
    whole = file.read_bytes()
    file.write_bytes(whole[:kept] + added)
    assert read_code(file) is None
    assert find_or_compile([tmp_path]) == CODE
    assert file.read_bytes() == whole
    assert len(compiled) == 2


def test_code_of_other_sources_is_not_found(
    tmp_path: Path, compiled: list[MachineCode], monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = tmp_path / "sources"
    sources.mkdir()
    monkeypatch.setattr(code_cache, "SOURCES", sources)
    for text in ("ROUNDS = 10", "ROUNDS = 11"):
        (sources / "philox.py").write_text(text)
        find_or_compile([tmp_path])
    assert len(compiled) == 2


def test_code_of_another_cpu_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    own = code_digest()
    assert code_digest() == own
    monkeypatch.setenv("NUMBA_CPU_NAME", "generic")
    assert code_digest() != own


def test_only_the_latest_files_are_kept(
    tmp_path: Path, compiled: list[MachineCode], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "somebody_elses.code"
    other.touch()
    for age in range(6, 0, -1):
        old = tmp_path / f"kernels-{age}.code"
        old.touch()
        os.utime(old, (1e9 - age, 1e9 - age))
    find_or_compile([tmp_path])
    names = {file.name for file in tmp_path.glob("*.code")}
    assert names == {other.name, "kernels-1.code", "kernels-2.code", "kernels-3.code", f"kernels-{code_digest()}.code"}


def test_code_that_cannot_be_written_is_reported_with_its_folder(tmp_path: Path) -> None:
    code = """
import resource, sys
from pathlib import Path
from sampler.errors import CacheError
from sampler.kernels.compiled import code_cache
code_cache.compile_kernels = lambda: code_cache.MachineCode(bytes(1000), {})
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    code_cache.find_or_compile([Path(sys.argv[1])])
except CacheError as error:
    print(error)
"""
    printed = output_of(code, tmp_path)
    assert printed.startswith(str(tmp_path))
    assert "compiled code cannot be cached: File too large; set another folder" in printed


def test_a_compiler_that_fails_is_reported(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(code_cache, "PROGRAM", "sampler.kernels.compiled.missing")
    with pytest.raises(CacheError, match="kernels cannot be compiled: the process ended with status 1"):
        code_cache.compile_kernels()
    assert "missing" in capfd.readouterr().err


def test_after_an_interrupt_the_next_call_compiles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(code_cache, "code_folders", lambda _: [tmp_path])

    outcomes = [KeyboardInterrupt()]

    def compile_kernels() -> MachineCode:
        if outcomes:
            raise outcomes.pop()
        return CODE

    class Loaded:
        functions = "those of the code"

    monkeypatch.setattr(code_cache, "compile_kernels", compile_kernels)
    monkeypatch.setattr(code_cache, "LoadedCode", lambda _: Loaded)
    cache = CodeCache()
    with pytest.raises(KeyboardInterrupt):
        cache.functions()
    found: object = cache.functions()
    assert found == Loaded.functions


def test_the_named_folder_comes_first_and_the_fallback_last(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "named"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    folders = code_folders(tmp_path / "fallback")
    own = ROOT / "sampler/kernels/compiled/__pycache__"
    user = tmp_path / "user/saccade-sampler/kernels"
    assert folders == [tmp_path / "named", own, user, tmp_path / "fallback"]


def test_without_a_home_folder_no_folder_is_in_the_current_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NUMBA_CACHE_DIR", "HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as for a user that the system does not know
    assert code_folders() == [ROOT / "sampler/kernels/compiled/__pycache__"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the code of all kernels."""
    folder = tmp_path_factory.mktemp("cache")
    code = "from sampler.kernels.compiled.code_cache import find_or_compile, Path; import sys"
    run_python("-c", f"{code}; find_or_compile([Path(sys.argv[1])])", folder, coverage=False)
    return folder


def test_a_process_that_finds_the_code_does_not_load_numba(cache: Path) -> None:
    code = "from sampler.kernels.compiled.kernels import warm_up; warm_up(); import sys; print('numba' in sys.modules)"
    ran = run_python("-c", code, variables={"NUMBA_CACHE_DIR": cache}, coverage=False)
    assert ran.stdout == "False\n"


def test_the_compiling_process_exits_with_its_parent(tmp_path: Path) -> None:
    code = "from sampler.kernels.compiled.code_cache import compile_kernels; compile_kernels()"
    parent = start_python("-c", code, coverage=False)
    deadline = time.monotonic() + 30
    while not (children := psutil.Process(parent.pid).children()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert not psutil.wait_procs(children, timeout=20)[1]


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


def decorated(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """The functions that Numba compiles."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and any("njit" in ast.unparse(one) for one in node.decorator_list):
            yield node


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_kernels_use_no_globals_from_other_folders(file: Path) -> None:
    tree = ast.parse(file.read_text())
    for kernel in decorated(tree):
        used = {node.id for line in kernel.body for node in ast.walk(line) if isinstance(node, ast.Name)}
        assert not used & imported_names(tree), f"{file.name}, {kernel.name}: expected an argument in place of a global"


def test_kernels_are_found() -> None:
    found = [kernel.name for file in FILES for kernel in decorated(ast.parse(file.read_text()))]
    assert len(found) > 20
