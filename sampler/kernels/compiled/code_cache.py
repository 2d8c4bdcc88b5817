"""Machine code on disk: one file for all kernels, found by everything that it depends on.

    <folder>/kernels-<digest>.code    32 bytes BLAKE2b-256 of the rest, then `MachineCode.encode()`

The digest covers the sources of this folder, the versions of Numba and LLVM, the CPU and the layout of Python's
objects. Kernels take globals only from files of this folder; other values reach them as arguments. So code whose file
has the right name is the right code, and code of other sources is never found.
"""

import errno
import fcntl
import hashlib
import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

import llvmlite
from llvmlite import binding as llvm

from sampler.atomic_write import atomic_write
from sampler.errors import CacheError
from sampler.ipc.child_process import ChildProcess
from sampler.kernels.compiled.machine_code import Function, LoadedCode, MachineCode
from sampler.system_errors import explain

SOURCES = Path(__file__).parent
PROGRAM = "sampler.kernels.compiled.build"
"""Compiles the kernels."""

FOLDER_VARIABLE = "NUMBA_CACHE_DIR"
"""The environment variable that names a folder for compiled code."""

CPU_VARIABLES = ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES")
"""Environment variables by which Numba compiles for another CPU."""

LOCK = "kernels.lock"
"""File that the process locks which compiles for a folder."""

KEPT_FILES = 4
"""Files in a folder after a new one was written: those written last."""

CHECKSUM_BYTES = 32

NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOENT)
"""Errors that say only that a folder is not to be written; another may be."""

END_SECONDS = 1.0
"""Time for the compiling process to exit after it has sent the code."""


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
        self, fallback: Path | None = None, on_compile: Callable[[], None] = lambda: None
    ) -> Mapping[str, Function]:
        """Return the machine code of all kernels as functions, by kernel. The first call loads or compiles it.

        Args:
            fallback: Folder for code if no other is writable.
            on_compile: Called before the kernels are compiled, here or in another process that this one waits for.

        Raises:
            CacheError: The code cannot be compiled, or it cannot be written, such as to a full disk.
        """
        if self._numba_only:
            return {}
        with self._lock:
            if self._loaded is None:
                self._loaded = LoadedCode(find_or_compile(code_folders(fallback), on_compile))
            return self._loaded.functions


CODE = CodeCache()
"""That of this process."""


def find_or_compile(folders: Sequence[Path], on_compile: Callable[[], None] = lambda: None) -> MachineCode:
    """Return the code from the first folder that has it, or compile it into the first one that can be written.

    Arguments and errors are those of `CodeCache.functions`.
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
        except OSError as error:
            if error.errno in NOT_WRITABLE:
                continue
            raise _not_cached(folder, error) from error
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield folder
        return
    yield None


def code_digest() -> str:
    """Return 32 hexadecimal digits that identify everything that machine code depends on."""
    hasher = hashlib.blake2b(digest_size=16)
    for file in sorted(SOURCES.glob("*.py")):
        hasher.update(file.name.encode() + file.read_bytes())
    machine = (
        _numba_version(), llvmlite.__version__, llvm.get_process_triple(), llvm.get_host_cpu_name(),
        llvm.get_host_cpu_features().flatten(), object.__basicsize__, [os.getenv(name) for name in CPU_VARIABLES],
    )  # fmt: skip
    hasher.update(repr(machine).encode())
    return hasher.hexdigest()


def _numba_version() -> bytes:
    """Return the file that has Numba's version. Importing Numba for it would take too long."""
    numba = importlib.util.find_spec("numba")
    assert numba is not None, "the compiled kernels need Numba"
    assert numba.origin is not None, "Numba is not a package of files"
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
    """Return the code in a file, or None if the file is absent, unreadable or damaged."""
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
    packed = None
    try:
        child = ChildProcess(PROGRAM)
        try:
            child.start()
            packed = child.frames().read()
        finally:
            status = child.end(END_SECONDS)
    except OSError as error:
        raise CacheError(f"kernels cannot be compiled: {explain(error, '')}") from error
    if packed is None:
        raise CacheError(
            f"kernels cannot be compiled: the process ended with status {status}; see its output on stderr"
        )
    return MachineCode.decode(packed)


def _write(folder: Path, name: str, code: MachineCode) -> None:
    packed = code.encode()
    try:
        atomic_write(folder / name, hashlib.blake2b(packed, digest_size=CHECKSUM_BYTES).digest() + packed)
    except OSError as error:
        raise _not_cached(folder, error) from error
    _remove_oldest(folder)


def _not_cached(folder: Path, error: OSError) -> CacheError:
    cause = explain(error, folder, f"set another folder for compiled code ({FOLDER_VARIABLE})")
    return CacheError(f"{folder}: compiled code cannot be cached: {cause}")


def _remove_oldest(folder: Path) -> None:
    with suppress(OSError):  # another process may be removing them too
        files = sorted(folder.glob("kernels-*.code"), key=lambda file: file.stat().st_mtime)
        for file in files[:-KEPT_FILES]:
            file.unlink(missing_ok=True)
