"""Scenario: the rows of a dataset, in order, while a node is killed.

    python -m tests.ray.data_rows ANNOTATIONS IMAGES CACHE START STOP

Prints the hash of each step's arrays, the steps, the number of lost nodes, the largest row in bytes, and the error of a
dataset without images.
"""

import json
import sys
from pathlib import Path

from ray.exceptions import UserCodeException

from saccade_sampler.ray import dataset, render
from sampler.memory.buffer_pool import BufferPool
from tests.ray.cluster import cluster, lost_nodes
from tests.ray.hashes import BATCH_SIZE, SEED, hash_of

KILLED_AFTER = 5
"""Rows that are read before the kill. Far fewer than there are, and Ray keeps few in memory ahead of the reader."""


def main(annotations: str, images: str, cache: str, start: int, stop: int) -> None:
    """Read the rows and print what they are."""
    hashes, steps, largest, memory = [], [], 0, BufferPool()
    with cluster(3) as (running, others):
        rows = dataset(annotations, images, seed=SEED, batch_size=BATCH_SIZE, start=start, stop=stop, cache_dir=cache)
        for row in rows.iter_rows():
            hashes.append(hash_of(render(row, memory)))
            steps.append(row["step"])
            largest = max(largest, sum(len(value) for value in row.values() if isinstance(value, bytes)))
            if len(steps) == KILLED_AFTER:
                running.remove_node(others[0], allow_graceful=False)
        lost = lost_nodes()
        failure = failure_without_images(annotations, cache)
    print(json.dumps({"hashes": hashes, "steps": steps, "lost": lost, "largest": largest, "failure": failure}))


def failure_without_images(annotations: str, cache: str) -> str:
    """Return the message of the error."""
    empty = Path(cache) / "empty"
    empty.mkdir(exist_ok=True)
    rows = dataset(annotations, empty, seed=SEED, batch_size=BATCH_SIZE, stop=9, cache_dir=cache, tasks=2)
    try:
        rows.take_all()
    except UserCodeException as error:
        return str(error)
    return ""


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
