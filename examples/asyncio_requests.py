"""Count the objects of each category in augmented samples, with several requests at once in one asyncio program.

    python examples/asyncio_requests.py http://cpu-host:8000 --steps 200 --at-once 8

For evaluation, services and analyses that need batches in any order. A training loop is better served by `loader`,
which receives and renders in a separate process. Needs only the client.
"""

import argparse
import asyncio
import time
from collections import Counter

from saccade_sampler import AsyncSamplerClient, Shard, StepRequest


async def count(client: AsyncSamplerClient, step: int, given: argparse.Namespace) -> Counter[int]:
    """Return how many boxes of each category 1 … C the crops of a step have."""
    request = StepRequest(seed=given.seed, step=step, shard=Shard(given.batch_size))
    packed = await client.packed_batch(request)  # not rendered: crops and boxes are enough here
    return Counter(packed.compact().boxes[:, 4].astype(int).tolist())


async def count_all(client: AsyncSamplerClient, given: argparse.Namespace) -> Counter[int]:
    """Return the counts of all steps, with at most `--at-once` requests at a time."""
    steps = iter(range(given.steps))
    total: Counter[int] = Counter()
    received = 0

    async def work() -> None:
        nonlocal received
        for step in steps:  # all tasks share this iterator, so each takes the next step
            total.update(await count(client, step, given))
            received += 1
            if received % given.log_every == 0:
                print(f"{received} of {given.steps} steps")

    async with asyncio.TaskGroup() as group:  # if a request fails, the others are cancelled
        for _ in range(given.at_once):
            group.create_task(work())
    return total


async def run(given: argparse.Namespace) -> None:
    """Count and print a table."""
    async with AsyncSamplerClient(given.urls) as client:
        names = (await client.spec()).category_names
        began = time.monotonic()
        counts = await count_all(client, given)
        samples, seconds = given.steps * given.batch_size, time.monotonic() - began
    print(f"{samples} samples, {samples / seconds:.1f} samples/s, {counts.total()} objects:")
    for category, number in counts.most_common(given.most):
        print(f"  {names[category - 1]:20} {number:8} {number / samples:8.3f} per sample")


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description="Count the objects of each category in augmented samples")
    parser.add_argument("urls", nargs="+", help="one server, such as http://cpu-host:8000, or several used as one")
    parser.add_argument("--steps", type=int, default=200, help="number of steps to look at")
    parser.add_argument("--batch-size", type=int, default=16, help="samples of a step")
    parser.add_argument("--at-once", type=int, default=8, help="requests at a time")
    parser.add_argument("--most", type=int, default=10, help="categories to print, the most frequent first")
    parser.add_argument("--log-every", type=int, default=50, help="steps between two printed lines")
    parser.add_argument("--seed", type=int, default=7, help="seed of the samples")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
