"""Building wheel and sdist with the build backend, from a copy of the tracked files: nothing else gets into them."""

import shutil
import subprocess
import tarfile
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.processes import run, run_python

_HOOK = """
import sys
from setuptools import build_meta

print("BUILT", getattr(build_meta, sys.argv[1])(sys.argv[2]))
"""
"""Calls a hook of PEP 517 in the current folder, as build frontends do."""


class BuildError(Exception):
    """The files cannot be built."""


def export(folder: Path) -> Path:
    """Copy the tracked files of the working tree into a new folder. Raises BuildError outside a git checkout."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        raise BuildError(f"{ROOT}: git lists no files: {listed.stderr.strip()}")
    for name in filter(None, listed.stdout.split("\0")):
        if not (ROOT / name).is_file():  # deleted, and not committed yet
            continue
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


def commit_time() -> str:
    """Return when the last commit was made: the time that files in the archives have."""
    return run("git", "log", "-1", "--format=%ct", cwd=ROOT).stdout.strip()


def build(hook: str, source: Path, folder: Path) -> Path:
    """Return what a hook of the build backend builds: `build_wheel` or `build_sdist`.

    Args:
        hook: Its name.
        source: Folder of the project.
        folder: Where the file is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    variables = {"SOURCE_DATE_EPOCH": commit_time()}
    done = run_python("-c", _HOOK, hook, folder, cwd=source, variables=variables, check=False, coverage=False)
    built = [line.partition(" ")[2] for line in done.stdout.splitlines() if line.startswith("BUILT ")]
    if done.returncode or not built:
        raise BuildError(f"{hook} failed:\n{done.stdout}{done.stderr}")
    return folder / built[0]


def unpack(sdist: Path, folder: Path) -> Path:
    """Unpack an sdist; return the folder of the project in it."""
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (project,) = folder.iterdir()
    return project
