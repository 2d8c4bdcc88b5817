"""Compiled code that was kept on disk, and whether it is still that of the sources.

Numba looks at the file that defines a kernel and at no other. What a kernel takes from its neighbours would stay as it
was compiled before they changed, and so would the bytes of samples. So kernels take globals from files named
compiled_* alone; all else that a sample depends on comes to them as arguments.
"""

import hashlib
from contextlib import suppress
from pathlib import Path

SOURCES = "compiled.sources"
"""The file beside kept code that names the sources it was compiled from."""


def forget_stale(folder: Path) -> None:
    """Remove the kept code in a folder unless it was compiled from the sources there are now. Raises OSError."""
    files = sorted(Path(__file__).parent.glob("compiled_*.py"))
    hasher = hashlib.blake2b(digest_size=16)
    for file in files:
        hasher.update(file.name.encode())
        hasher.update(file.read_bytes())
    note = folder / SOURCES
    with suppress(FileNotFoundError):
        if note.read_text() == hasher.hexdigest():
            return
    for kept in folder.glob("compiled_*.nb?"):
        kept.unlink(missing_ok=True)  # another process may be at it too
    folder.mkdir(parents=True, exist_ok=True)
    note.write_text(hasher.hexdigest())
