"""What an actor of Ray Data runs: a worker of its own that makes the compact samples of steps."""

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import pyarrow as pa

from sampler.dataset.reading_ahead import AHEAD
from sampler.kernels.compiled.kernels import COMPILED
from sampler.stream.shards import Shard, step_keys
from sampler.wire.batch_writer import write_batch
from sampler.wire.messages import Header
from service.lifespan.datasets import open_datasets
from service.settings.load import SettingsError
from service.settings.server import Settings
from service.workers.main import Worker
from service.workers.protocol import WorkerSetup

log = logging.getLogger("saccade_sampler")

COLUMNS = pa.schema([("step", pa.int64()), ("batch", pa.large_binary()), ("spec", pa.binary())])
"""Of the rows, one for each step: its number; the samples, as a server sends them; the document at `/v1/spec`."""


class StepSampler:
    """Makes the rows of steps from the files of the node that it runs on, as a server there would."""

    def __init__(
        self, settings: Settings, seed: int, shard: Shard, start: int, augment: bool, digest: str | None
    ) -> None:
        """Open the dataset. Raises `SamplerError`.

        start: added to the numbers of all steps. digest: that the dataset must have on each node; None for any.
        """
        [opened] = asyncio.run(open_datasets(settings))
        self._spec = opened.spec
        if digest not in (None, self._spec.digest):
            raise SettingsError(
                f"this node has {opened.title} with digest {self._spec.digest}, expected {digest}; give all nodes the "
                "same annotations, config and version"
            )
        self._worker = Worker.start(WorkerSetup((opened.setup(0),), kernel_cache=settings.cache_dir / "kernels"))
        self._document = json.dumps(self._spec.as_dict()).encode()
        self._seed, self._shard, self._start, self._augment = seed, shard, start, augment
        self._opened = opened  # keeps the shared memory that the worker has mapped

    def __call__(self, steps: pa.Table) -> Iterator[pa.Table]:
        """Yield a row for each step. steps: their numbers from 0 in the column `id`."""
        numbers = [self._start + number for number in steps["id"].to_pylist()]
        fetch_next = self._fetching(numbers)
        for step in numbers:
            yield pa.table([[step], [self._batch(step, fetch_next)], [self._document]], schema=COLUMNS)
            for notice in self._worker.outbox.take():
                log.warning("image %d (%s): %s", notice.index, notice.file, notice.text)

    def _fetching(self, steps: Iterable[int]) -> Callable[[], None] | None:
        """Begin to fetch the first images. Return what begins to fetch one more; None if images are local.

        Read one by one, each sample would wait for the storage.
        """
        if not self._worker.is_remote:
            return None
        [opened] = self._worker.datasets
        keys = (key for step in steps for key in step_keys(self._spec.size, self._seed, step, self._shard))
        opened.dataset.read_ahead(list(islice(keys, AHEAD)))
        return lambda: opened.dataset.read_ahead(list(islice(keys, 1)))

    def _batch(self, step: int, between: Callable[[], None] | None) -> bytes:
        [opened] = self._worker.datasets
        spec = self._spec
        header = Header(spec.digest, "compact", self._augment, self._shard.count, step)
        keys = step_keys(spec.size, self._seed, step, self._shard)
        return write_batch(header, keys, opened.dataset, opened.config, opened.categories, COMPILED, between)
