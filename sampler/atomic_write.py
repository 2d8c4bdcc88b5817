"""Small files that are there whole or not at all."""

import contextlib
import os
import tempfile
from pathlib import Path


def write_whole(file: Path, data: bytes) -> None:
    """Write `data` to a file, in place of what is there, whoever else does so at the same time. Raises OSError."""
    handle, name = tempfile.mkstemp(suffix=".new", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        Path(name).replace(file)
    except OSError:
        with contextlib.suppress(OSError):  # the cause of the first error is the cause of this one
            Path(name).unlink()
        raise
