"""Those who ask for little do not wait for those who ask for much."""

import asyncio
from pathlib import Path

from sampler.config.presets import preset
from sampler.dataset.dataset import open_dataset
from sampler.stream.keys import SampleKey
from service.workers.pool import AHEAD_OF_WORKER, WorkerPool
from service.workers.process import WorkerSetup
from service.workers.protocol import Job

GREEDY = 4
MUCH = 40
LITTLE = 3


def test_a_small_request_beside_greedy_ones_waits_for_a_few_of_their_jobs(
    scenes: tuple[Path, Path], cache_dir: Path
) -> None:
    annotations, images = scenes
    index_dir = open_dataset(annotations, images, cache_dir).index_dir
    pool = WorkerPool(WorkerSetup(index_dir, images, preset("cornernet_saccade"), 1 << 24), 1, 60.0)

    async def scene() -> int:
        await pool.start()
        try:
            others = [
                pool.submit(Job("sample", SampleKey(lane, number, 0)), lane)
                for lane in range(GREEDY)
                for number in range(MUCH)
            ]
            little = [pool.submit(Job("sample", SampleKey(9, number, 0)), "little") for number in range(LITTLE)]
            await asyncio.gather(*little)
            made = sum(answer.done() for answer in others)
            assert pool.queued > 0
            for answer in others:
                answer.cancel()
            return made
        finally:
            await pool.stop()

    assert asyncio.run(scene()) <= GREEDY * LITTLE + 2 * AHEAD_OF_WORKER
