"""Numba's on-disk cache, and how it is invalidated when any kernel source changes.

Numba checks only the file that defines a kernel. A kernel that used a constant or function of another file would keep
its old code after that file changed, and samples would keep their old bytes. Kernels therefore take globals only from
files of this folder, and a change of any of them discards all cached code. Other values reach kernels as arguments.
"""

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numba

SOURCES = "compiled.sources"
"""File next to cached code that holds the digest of its sources."""


def enable_cache(kernel: Any, fallback: Path | None) -> None:
    """Cache a kernel's code on disk: in Numba's own place, else in `fallback`, else nowhere."""
    try:
        kernel.enable_caching()
    except RuntimeError:  # no folder is writable
        if fallback is None:
            return
        numba.config.CACHE_DIR = str(fallback)
        kernel.enable_caching()


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
