"""Machine code on disk: one file for all kernels, found by everything that it depends on.

    <folder>/kernels-<digest>.code    32 bytes BLAKE2b-256 of the rest, then `MachineCode.encode()`

The digest covers the sources of this folder, the versions of Numba, LLVM, NumPy and Python, the CPU and Numba's
settings in the environment. Kernels take globals only from files of this folder; other values reach them as arguments.
So code whose file has the right name is the right code, and code of other sources is never found.

The code only saves time. A process that cannot get it logs why, and Numba compiles its kernels.
"""

import fcntl
import hashlib
import importlib.util
import logging
import os
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Lock
from time import monotonic

import llvmlite
import msgpack
import numpy as np
from llvmlite import binding as llvm

from sampler.atomic_write import atomic_write
from sampler.errors import CacheError
from sampler.ipc.child_process import ChildProcess
from sampler.kernels.compiled.machine_code import Function, LoadedCode, MachineCode
from sampler.system_errors import explain
from sampler.undisturbed import undisturbed

log = logging.getLogger("saccade_sampler.kernels")

SOURCES = Path(__file__).parent
PROGRAM = "sampler.kernels.compiled.compiler"
"""Compiles the kernels."""

FOLDER_VARIABLE = "NUMBA_CACHE_DIR"
"""The environment variable that names a folder for compiled code."""

NUMBA_PREFIX = "NUMBA_"
"""Start of the names of environment variables that change how Numba compiles, such as for another CPU."""

LOCK = "kernels.lock"
"""File that the process locks which compiles for a folder."""

KEPT_FILES = 4
"""Files in a folder after a new one was written: those written last."""

CHECKSUM_BYTES = 32

COMPILE_SECONDS = 300.0
"""Limit for compiling, which takes up to a minute on a slow host. A process that takes longer hangs or was stopped."""

END_SECONDS = 1.0
"""Time for the compiling process to exit after it has sent the code."""


def warn_of_compiling() -> None:
    """Log why the first use of a kernel takes long."""
    log.warning("compiling the kernels, which takes up to a minute; later processes load them")


class Once:
    """A function that only the first call calls."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function: Callable[[], None] | None = function

    def __call__(self) -> None:
        """Call the function, unless that was done before."""
        function, self._function = self._function, None
        if function is not None:
            function()


class CodeCache:
    """The machine code of all kernels in this process, loaded when it is first needed."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._loaded: LoadedCode | None = None
        self._numba_only = False

    def use_numba_only(self) -> None:
        """Let Numba compile every kernel in this process."""
        self._numba_only = True

    def functions(
        self, fallback: Path | None = None, on_compile: Callable[[], None] = warn_of_compiling
    ) -> Mapping[str, Function]:
        """Return the machine code of all kernels as functions, by kernel. The first call loads or compiles it.

        Returns nothing if that fails: then Numba compiles each kernel in this process. The reason is logged.

        Args:
            fallback: Folder for code if no other is writable.
            on_compile: Called before the kernels are compiled, here or in another process that this one waits for. By
                default, a warning is logged.
        """
        if self._loaded is None and not self._numba_only:
            undisturbed(partial(self._load_once, fallback, on_compile))
        return {} if self._loaded is None else self._loaded.functions

    def _load_once(self, fallback: Path | None, on_compile: Callable[[], None]) -> None:
        with self._lock:
            if self._loaded is None and not self._numba_only:
                self._load(fallback, on_compile)

    def _load(self, fallback: Path | None, on_compile: Callable[[], None]) -> None:
        announced = Once(on_compile)
        try:
            self._loaded = LoadedCode(find_or_compile(code_folders(fallback), announced))
        except Exception as error:  # noqa: BLE001 - whatever it is, Numba's own way remains
            reason = str(error) if isinstance(error, CacheError) else repr(error)
            log.warning("compiled kernels cannot be loaded, so this process compiles its own: %s", reason)
            self._numba_only = True
            announced()


CODE = CodeCache()
"""That of this process."""


def find_or_compile(folders: Sequence[Path], on_compile: Callable[[], None] = lambda: None) -> MachineCode:
    """Return the code from the first folder that has it, or compile it into the first one that can be written.

    Arguments are those of `CodeCache.functions`. Code that cannot be written, such as to a full disk, is used and a
    warning logged. Raises `CacheError` if the kernels cannot be compiled.
    """
    name = f"kernels-{code_digest()}.code"
    found = _find(folders, name)
    if found is not None:
        return found
    on_compile()
    with _lock(folders) as folder:
        found = _find(folders, name)  # another process may have compiled it while this one waited
        if found is not None:
            return found
        code = compile_kernels()
        if folder is not None:
            _write(folder, name, code)
        return code


def cached_code(fallback: Path | None = None) -> Path | None:
    """Return the file from which processes load the kernels; None if the next one compiles them.

    fallback: as for `CodeCache.functions`. Raises `CacheError` if code cannot be cached.
    """
    name = f"kernels-{code_digest()}.code"
    files = (folder / name for folder in code_folders(fallback))
    return next((file for file in files if read_code(file) is not None), None)


def _find(folders: Sequence[Path], name: str) -> MachineCode | None:
    return next((found for folder in folders if (found := read_code(folder / name)) is not None), None)


@contextmanager
def _lock(folders: Sequence[Path]) -> Iterator[Path | None]:
    """Yield the first folder that can be written, made if needed, which one process at a time holds; None if none can.

    A server's workers all start at once: one compiles, the others wait.
    """
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = (folder / LOCK).open("ab")
        except OSError:  # not to be written; another may be
            continue
        with file:
            with suppress(OSError):  # a file system without locks: each process compiles, and the last one's file stays
                fcntl.flock(file, fcntl.LOCK_EX)
            yield folder
        return
    log.warning("no folder for compiled code can be written, so each process compiles it: set %s", FOLDER_VARIABLE)
    yield None


def code_digest() -> str:
    """Return 32 hexadecimal digits that identify everything that machine code depends on.

    Raises:
        CacheError: The sources of the kernels or Numba's version are not in files.
    """
    hasher = hashlib.blake2b(digest_size=16)
    for file in _sources():
        hasher.update(file.name.encode() + file.read_bytes())
    settings = {name: value for name, value in os.environ.items() if name.startswith(NUMBA_PREFIX)}
    settings.pop(FOLDER_VARIABLE, None)
    machine = (
        _numba_version(), llvmlite.__version__, np.__version__, sys.version, sysconfig.get_config_var("SOABI"),
        object.__basicsize__, llvm.get_process_triple(), llvm.get_host_cpu_name(),
        llvm.get_host_cpu_features().flatten(), sorted(settings.items()),
    )  # fmt: skip
    hasher.update(repr(machine).encode())
    return hasher.hexdigest()


def _sources() -> list[Path]:
    files = sorted(SOURCES.glob("*.py"))
    if not files:
        raise CacheError(f"{SOURCES}: has no source files, which compiled code is found by")
    return files


def _numba_version() -> bytes:
    """Return the file that has Numba's version. Importing Numba for it would take too long."""
    numba = importlib.util.find_spec("numba")
    if numba is None or numba.origin is None:
        raise CacheError("Numba is not installed as files, so compiled code cannot be found by its version")
    return Path(numba.origin).with_name("_version.py").read_bytes()


def code_folders(fallback: Path | None = None) -> list[Path]:
    """Return the folders that may have code, the preferred one first."""
    named = os.environ.get(FOLDER_VARIABLE)
    user = Path(os.getenv("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))  # noqa: PTH111 - pathlib would raise
    folders = [
        Path(named) if named else None,
        SOURCES / "__pycache__",
        user / "saccade-sampler" / "kernels" if user.is_absolute() else None,  # the home folder may be unknown
        fallback,
    ]
    return [folder for folder in folders if folder is not None]


def read_code(file: Path) -> MachineCode | None:
    """Return the code in a file; None if the file is absent, unreadable, damaged or not such a file."""
    try:
        data = file.read_bytes()
    except OSError:
        return None
    checksum, packed = data[:CHECKSUM_BYTES], data[CHECKSUM_BYTES:]
    if hashlib.blake2b(packed, digest_size=CHECKSUM_BYTES).digest() != checksum:
        return None
    return MachineCode.decode(packed)


def compile_kernels() -> MachineCode:
    """Compile all kernels in a process of their own, whose memory ends with it. Raises `CacheError`."""
    reply, deadline = None, monotonic() + COMPILE_SECONDS
    try:
        child = ChildProcess(PROGRAM)
        try:
            child.start()
            reply = child.frames(lambda: monotonic() < deadline).read()
        finally:
            status = child.end(END_SECONDS)
    except OSError as error:
        raise CacheError(f"kernels cannot be compiled: {explain(error, '')}") from error
    if reply is None and monotonic() >= deadline:
        raise CacheError(f"kernels cannot be compiled: the process took longer than {COMPILE_SECONDS:.0f} s")
    if reply is None:
        raise CacheError(
            f"kernels cannot be compiled: the process ended with status {status}; see its output on stderr"
        )
    packed, reason = msgpack.unpackb(reply)
    if packed is None:
        raise CacheError(f"kernels cannot be compiled: {reason}")
    return MachineCode.decode(packed)


def _write(folder: Path, name: str, code: MachineCode) -> None:
    packed = code.encode()
    try:
        atomic_write(folder / name, hashlib.blake2b(packed, digest_size=CHECKSUM_BYTES).digest() + packed)
    except OSError as error:
        _warn_not_cached(folder, error)
    else:
        _remove_oldest(folder)


def _warn_not_cached(folder: Path, error: OSError) -> None:
    cause = explain(error, folder, f"set another folder for compiled code ({FOLDER_VARIABLE})")
    log.warning("%s: compiled code cannot be cached, so each process compiles it: %s", folder, cause)


def _remove_oldest(folder: Path) -> None:
    with suppress(OSError):  # another process may be removing them too
        files = sorted(folder.glob("kernels-*.code"), key=lambda file: file.stat().st_mtime)
        for file in files[:-KEPT_FILES]:
            file.unlink(missing_ok=True)
