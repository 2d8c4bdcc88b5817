"""Decoded stores for tests, and processes that write them."""

import subprocess
from pathlib import Path

import numpy as np

from sampler.dataset.dataset import Dataset
from sampler.dataset.images.decoded_store.reader import DecodedStore, find_store
from sampler.dataset.preparation.store_writer import open_writer
from sampler.errors import ImageError
from tests.support.processes import start_python

Source = tuple[Path, Path]
"""Annotation file and image folder."""

START = """
import os, sys, time
from pathlib import Path
from sampler.dataset import dataset
from sampler.dataset.preparation import store_writer
from tests.support.commands import app
store_writer.CHECKPOINT_BYTES = 0
{before}
app(sys.argv[1:])
"""
"""A `decode` that runs `before` first and records each image as soon as it is decoded."""


def write_store(dataset: Dataset, cache_dir: Path, force: bool = False) -> list[ImageError]:
    """Decode the missing images; return the errors of those that cannot be decoded."""
    with open_writer(dataset, cache_dir, force) as writer:
        return writer.run(2, lambda _: None)


def stored(dataset: Dataset, cache_dir: Path) -> Dataset:
    """The dataset with its store, which must be there."""
    store = open_store(dataset, cache_dir)
    assert store is not None
    return dataset.with_decoded(store)


def open_store(dataset: Dataset, cache_dir: Path) -> DecodedStore | None:
    return find_store(cache_dir, dataset.store_meta)


def assert_complete(dataset: Dataset, cache_dir: Path) -> None:
    """Check that the store has the pixels of every image file."""
    with_store = stored(dataset, cache_dir)
    assert with_store.store is not None
    assert with_store.store.absent == 0
    for index in range(len(dataset)):
        assert np.array_equal(with_store.read(index).pixels, dataset.read(index).pixels)


def folder_for(dataset: Dataset, cache_dir: Path) -> Path:
    """Return the folder of the store, whether it exists or not."""
    return dataset.store_meta.folder(cache_dir)


def content(folder: Path) -> dict[str, bytes]:
    """Return the content of each file of a store."""
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def start_decode(
    source: tuple[Path, Path], cache_dir: Path, *options: object, before: str = ""
) -> "subprocess.Popen[str]":
    """Start `saccade-sampler decode`, or with `before` a process that runs this code first."""
    names = ("annotations", "images", "cache_dir")
    settings = dict(zip(names, (*source, cache_dir), strict=True))
    program = ["-c", START.format(before=before)] if before else ["-m", "sampler"]
    return start_python(*program, "decode", *options, settings=settings)


def decode(source: tuple[Path, Path], cache_dir: Path, *options: object, before: str = "") -> tuple[int, str, str]:
    """Run `saccade-sampler decode`; return exit status, stdout and stderr."""
    process = start_decode(source, cache_dir, *options, before=before)
    printed, errors = process.communicate(timeout=60)
    return process.returncode, printed, errors
