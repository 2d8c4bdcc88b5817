"""The hashes of steps, which tell whether batches have the bytes of a single server."""

from client import Batch, SamplerClient
from tests.chaos.step_hash import step_hash
from tests.support.live_server import LiveServer

SEED = 7
BATCH_SIZE = 16


def hash_of(batch: Batch) -> str:
    """Return the hash of a batch's keys and arrays."""
    return step_hash(
        (key, {name: array[at] for name, array in batch.arrays.items()}) for at, key in enumerate(batch.keys)
    )


def hashes_of(server: LiveServer, steps: range) -> list[str]:
    """Return the hashes of steps from a single server."""
    with SamplerClient(server.url) as client:
        stream = client.stream(seed=SEED, batch_size=BATCH_SIZE, start=steps.start, stop=steps.stop)
        return [hash_of(batch) for batch in stream]
