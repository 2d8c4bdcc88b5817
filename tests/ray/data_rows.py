"""Scenario: the rows of a dataset, in order, while a node is killed.

    python -m tests.ray.data_rows ANNOTATIONS IMAGES CACHE START STOP

Prints the hash of each step's arrays, the steps, the number of lost nodes, and the largest row in bytes.
"""

import json
import sys

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
        rows = dataset(
            annotations, images, seed=SEED, batch_size=BATCH_SIZE, start=start, stop=stop, cache_dir=cache, tasks=3
        )
        for row in rows.iter_rows():
            hashes.append(hash_of(render(row, memory)))
            steps.append(row["step"])
            largest = max(largest, sum(len(value) for value in row.values() if isinstance(value, bytes)))
            if len(steps) == KILLED_AFTER:
                running.remove_node(others[0], allow_graceful=False)
        lost = lost_nodes()
    print(json.dumps({"hashes": hashes, "steps": steps, "lost": lost, "largest": largest}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
