"""Numba's on-disk cache, and how it is invalidated when any kernel source changes.

Numba checks only the file that defines a kernel. A kernel that used a constant or function of another file would keep
its old code after that file changed, and samples would keep their old bytes. Kernels therefore take globals only from
files of this folder, and a change of any of them discards all cached code. Other values reach kernels as arguments.
"""

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numba

SOURCES = "compiled.sources"
"""File next to cached code that holds the digest of its sources."""


def enable_cache(kernel: Any, fallback: Path | None) -> None:
    """Cache a kernel's code on disk: in Numba's own place, else in `fallback`, else nowhere."""
    # Without a home folder, Numba would make a folder called "~" in the current one.
    if (numba.config.CACHE_DIR or _user_cache().is_absolute()) and _is_cached(kernel):
        return
    if fallback is not None:
        numba.config.CACHE_DIR = str(fallback)
        _is_cached(kernel)


def _is_cached(kernel: Any) -> bool:
    """Try to cache a kernel's code where Numba looks for a folder, and return whether there is one."""
    try:
        kernel.enable_caching()
    except RuntimeError:  # no folder is writable
        return False
    return True


def _user_cache() -> Path:
    """Return the user's cache folder as Numba finds it; a relative path if the home folder is unknown."""
    return Path(os.getenv("XDG_CACHE_HOME", os.path.expanduser("~/.cache")))  # noqa: PTH111 - pathlib would raise


def discard_stale(folder: Path) -> None:
    """Remove cached code from `folder` unless it was compiled from the current sources. Raises OSError."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    hasher = hashlib.blake2b(digest_size=16)
    for file in files:
        hasher.update(file.name.encode())
        hasher.update(file.read_bytes())
    note = folder / SOURCES
    with suppress(FileNotFoundError):
        if note.read_text() == hasher.hexdigest():
            return
    for cached in [path for file in files for path in folder.glob(f"{file.stem}.*.nb?")]:
        cached.unlink(missing_ok=True)  # another process may be removing it too
    folder.mkdir(parents=True, exist_ok=True)
    note.write_text(hasher.hexdigest())
