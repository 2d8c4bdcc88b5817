"""Machine code is cached on disk, found by everything that it depends on, and loaded without Numba."""

import ast
import errno
import fcntl
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import llvmlite
import numpy as np
import psutil
import pytest

from sampler.errors import CacheError
from sampler.ipc.child_process import ChildProcess
from sampler.kernels import reference
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


def test_compiling_is_logged_unless_the_code_is_found(
    tmp_path: Path, compiled: list[MachineCode], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(code_cache, "code_folders", lambda _: [tmp_path])
    monkeypatch.setattr(code_cache, "LoadedCode", lambda _: SimpleNamespace(functions={}))
    for _ in range(2):
        CodeCache().functions()
    assert len(compiled) == 1
    text = "compiling the kernels, which takes up to a minute; later processes load them"
    assert [(record.levelname, record.message) for record in caplog.records] == [("WARNING", text)]


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


def test_without_a_writable_folder_code_is_compiled_each_time(
    tmp_path: Path, compiled: list[MachineCode], caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "file"
    file.touch()
    for count in (1, 2):
        assert find_or_compile([file / "folder"]) == CODE
        assert len(compiled) == count
        assert [one.getMessage() for one in caplog.records] == [
            "no folder for compiled code can be written, so each process compiles it: set NUMBA_CACHE_DIR"
        ] * count


def test_a_file_system_without_locks_is_used_without(
    tmp_path: Path, compiled: list[MachineCode], monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(_file: object, _operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    for _ in range(2):
        assert find_or_compile([tmp_path]) == CODE
    assert len(compiled) == 1


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


@pytest.mark.parametrize("name", ["NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_OPT", "NUMBA_BOUNDSCHECK"])
def test_code_that_numba_was_told_to_compile_otherwise_is_not_found(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    own = code_digest()
    monkeypatch.setenv("NUMBA_CACHE_DIR", "elsewhere")
    assert code_digest() == own
    monkeypatch.setenv(name, "1")
    assert code_digest() != own


@pytest.mark.parametrize(("owner", "name"), [(np, "__version__"), (llvmlite, "__version__"), (sys, "version")])
def test_code_of_another_version_is_not_found(monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
    own = code_digest()
    monkeypatch.setattr(owner, name, "0.0.0")
    assert code_digest() != own


def test_without_sources_no_code_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(code_cache, "SOURCES", tmp_path)
    with pytest.raises(CacheError, match="has no source files"):
        code_digest()


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


def test_code_that_cannot_be_written_is_used_and_reported_with_its_folder(tmp_path: Path) -> None:
    code = """
import resource, sys
from pathlib import Path
from sampler.kernels import reference
from sampler.kernels.compiled import code_cache
code_cache.compile_kernels = lambda: code_cache.MachineCode(bytes(1000), {})
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
print(len(code_cache.find_or_compile([Path(sys.argv[1])]).object_file))
"""
    ran = run_python("-c", code, tmp_path)
    assert ran.stdout == "1000\n"
    # Other tools in the process, such as a measurement of coverage, may complain about the limit, too.
    (line,) = [line for line in ran.stderr.splitlines() if "compiled code" in line]
    assert line.startswith(f"{tmp_path}: compiled code cannot be cached, so each process compiles it: File too large")
    assert "NUMBA_CACHE_DIR" in line


def test_a_compiler_that_fails_is_reported(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(code_cache, "PROGRAM", "sampler.kernels.compiled.missing")
    with pytest.raises(CacheError, match="kernels cannot be compiled: the process ended with status 1"):
        code_cache.compile_kernels()
    assert "missing" in capfd.readouterr().err


def test_a_compiler_that_was_stopped_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    start = ChildProcess.start

    def start_stopped(child: ChildProcess) -> None:
        start(child)
        os.kill(child.pid, signal.SIGSTOP)

    monkeypatch.setattr(ChildProcess, "start", start_stopped)
    monkeypatch.setattr(code_cache, "COMPILE_SECONDS", 0.3)
    monkeypatch.setattr("sampler.ipc.frames.CHECK_SECONDS", 0.1)
    with pytest.raises(CacheError, match="kernels cannot be compiled: the process took longer than 0 s"):
        code_cache.compile_kernels()


FAULTS = {
    "the compiler is not there": "code_cache.PROGRAM = 'sampler.kernels.compiled.missing'",
    "the compiler is killed": "code_cache.ChildProcess.frames = lambda child, *_: child.kill() or frames(child)",
    "no process can be started": "code_cache.ChildProcess.start = fail",
    "Numba lacks a part": "sys.modules['sampler.kernels.compiled.build'] = None; in_this_process()",
    "the code is no code": "code_cache.compile_kernels = lambda: code_cache.MachineCode.decode(b'?')",
    "the code lacks an entry": "code_cache.compile_kernels = lambda: code_cache.MachineCode(own_code(), {'a': 'b'})",
    "LLVM cannot say what system this is": "code_cache.code_digest = fail",
    "Numba has no file of its version": "code_cache._numba_version = fail",
}
"""What may keep a process from loading machine code, as statements that make it so."""

WITH_FAULT = """
import logging, msgpack, os, sys
from pathlib import Path
from sampler.kernels.compiled import code_cache, compiler
code_cache.code_folders = lambda _: [Path(os.environ["NUMBA_CACHE_DIR"])]  # no code that others have compiled
frames = code_cache.ChildProcess.frames

def fail(*_):
    raise OSError(11, "Resource temporarily unavailable")

def in_this_process():
    def compile_kernels():
        packed, reason = compiler._compile()
        raise code_cache.CacheError(reason)
    code_cache.compile_kernels = compile_kernels

def own_code():
    from llvmlite import binding as llvm
    llvm.initialize_native_target(), llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine()
    return machine.emit_object(llvm.parse_assembly("define void @c() { ret void }"))

FAULT
announced = []
from sampler.kernels.compiled import philox
code_cache.CODE.functions(on_compile=lambda: announced.append(1))
print(philox.random_bits(1, 1, 1, 1, 2).tolist(), announced)
"""


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_without_machine_code_numba_compiles_and_one_line_says_why(fault: str, tmp_path: Path) -> None:
    ran = run_python("-c", WITH_FAULT.replace("FAULT", fault), variables={"NUMBA_CACHE_DIR": tmp_path}, coverage=False)
    assert ran.stdout == f"{reference.REFERENCE.random_bits(1, 1, 1, 1, 2).tolist()} [1]\n"
    text = "compiled kernels cannot be loaded, so this process compiles its own: "
    assert [line.startswith(text) for line in ran.stderr.splitlines()].count(True) == 1, ran.stderr


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


def test_a_process_that_finds_the_code_does_not_load_numba() -> None:
    code = "from sampler.kernels.compiled.kernels import warm_up; warm_up(); import sys; print('numba' in sys.modules)"
    output_of(code)  # compiles the kernels if no process of this machine has done so
    assert output_of(code) == "False"


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
