"""What stands in the host's shared memory."""

from pathlib import Path

FOLDER = Path("/dev/shm")

OF_OTHERS = ("sem.mp-", "torch_", "fuzz-")
"""Beginnings of names that multiprocessing, PyTorch and the fuzzers give. Other tests may use them at the same time."""


def named_memory() -> set[str]:
    """Return the names of all files in it that might be the product's."""
    if not FOLDER.is_dir():
        return set()
    return {entry.name for entry in FOLDER.iterdir() if not entry.name.startswith(OF_OTHERS)}
