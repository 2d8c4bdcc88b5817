"""Loaders and trainers for tests."""

import os
import subprocess
from collections.abc import Iterable
from typing import Any

import psutil

import client
from client import Batch, Loader
from tests.support.processes import start_python

STREAM: dict[str, Any] = {"seed": 7, "batch_size": 6}

DIGESTS = {"digest": "d1", "pixels": None, "substitutes": 0}
"""What the state of a loader of a scripted server says of its dataset."""

TRAINER = """
import sys, time, client
loaded = client.loader(sys.argv[1], seed=7, batch_size=6, log_every=None)
batch = next(loaded)
print(loaded.process_id, flush=True)
{then}
"""
"""A trainer that prints the id of its loader's process once it has a batch."""


def load(url: str | list[str] | None, **named: Any) -> Loader[Any]:
    """Return a loader with few, short retries and no log.

    Samples travel dense unless told otherwise, so that no process compiles the loops that render them: which layout
    it is makes no difference to a batch, and tests that say so name each.
    """
    quick: dict[str, Any] = STREAM | {"attempts": 3, "max_wait": 0.05, "log_every": None} | named
    if "device" not in named:
        quick.setdefault("layout", "dense")
    loaded: Loader[Any] = client.loader(url, **quick)
    return loaded


def steps(batches: Iterable[Any]) -> list[int]:
    """Return the steps of batches."""
    return [batch.step for batch in batches]


def process_of(loaded: Loader[Any]) -> psutil.Process:
    """Return the loader worker's process."""
    assert loaded.process_id is not None
    return psutil.Process(loaded.process_id)


def gone(process: psutil.Process) -> bool:
    """Return whether a process has exited."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def trainer(url: str, then: str) -> "tuple[subprocess.Popen[str], psutil.Process]":
    """Start a trainer in its own process group; return its process and that of its loader worker."""
    started = start_python("-c", TRAINER.format(then=then), url, coverage=False, start_new_session=True)
    assert started.stdout is not None
    line = b""
    while not line.endswith(b"\n"):  # byte by byte: what a buffer took besides would be missing from what comes later
        byte = os.read(started.stdout.fileno(), 1)
        assert byte, "the trainer ended before it told of its loader"
        line += byte
    return started, psutil.Process(int(line))


def same(one: Batch, other: Batch) -> bool:
    """Return whether two batches have the same bytes, keys, recipes, step and digest."""
    alike = (one.keys, one.recipes, one.step, one.digest) == (other.keys, other.recipes, other.step, other.digest)
    arrays = one.arrays | {"untagged": one.untagged}
    others = other.arrays | {"untagged": other.untagged}
    pairs = [(arrays[name], others[name]) for name in others]
    return alike and list(arrays) == list(others) and all(
        (mine.dtype, mine.shape, mine.tobytes()) == (theirs.dtype, theirs.shape, theirs.tobytes())
        for mine, theirs in pairs
    )  # fmt: skip
