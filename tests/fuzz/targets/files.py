"""Folders as inputs: an input holds the files that differ from those of a sound folder."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

import msgpack

from tests.fuzz.mutations import mutate

Files = dict[str, bytes]
"""Content by name."""


def read_files(folder: Path) -> Files:
    """Return the files of a folder."""
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file()}


def changed_files(
    files: Mapping[str, bytes], rng: Random, change: Callable[[str, bytes], bytes] | None = None
) -> Files:
    """Return one or two of the files, changed: by `change` if it is given, or removed, exchanged or damaged."""
    names = rng.sample(sorted(files), rng.choice((1, 1, 2)) if len(files) > 1 else 1)
    found = {}
    for name in names:
        if change is not None and rng.random() < 0.7:
            found[name] = change(name, files[name])
        elif rng.random() < 0.1:
            found[name] = files[rng.choice(sorted(files))]
        else:
            found[name] = mutate(files[name], rng, list(files.values()))
    return found


def packed(files: Files) -> bytes:
    """Return the changed files as an input."""
    data: bytes = msgpack.packb(files)
    return data


def unpacked(data: bytes) -> Files:
    """Return the changed files of an input."""
    files: Files = msgpack.unpackb(data)
    return files


class Folder:
    """A folder whose files can be changed and restored."""

    def __init__(self, path: Path, files: Files) -> None:
        self.path = path
        self._files = files
        self._changed = set(files)
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)

    def hold(self, changed: Mapping[str, bytes]) -> None:
        """Restore the files, then write the changed ones."""
        for name in self._changed | set(changed):
            content = changed.get(name, self._files.get(name))
            if content is None:
                (self.path / name).unlink(missing_ok=True)
            else:
                (self.path / name).write_bytes(content)
        self._changed = set(changed)
