"""What a task of Ray Data runs: a worker that makes the compact samples of steps, opened once in each process.

Not an actor: when a node is lost, Ray waits for its actors to start elsewhere, however long there is no CPU for them,
while tasks run on whatever is left. Actors of Ray would also keep their CPUs while nobody reads the rows.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

import pyarrow as pa
from ray.exceptions import UserCodeException

from sampler.dataset.images.reading_ahead import AHEAD
from sampler.errors import SamplerError
from sampler.kernels.compiled.kernels import COMPILED
from sampler.stream.shards import Shard, step_keys
from sampler.wire.batch_writer import write_batch
from sampler.wire.messages import Header
from service.lifespan.datasets import open_datasets
from service.settings.load import SettingsError
from service.settings.server import Settings
from service.workers.protocol import WorkerSetup
from service.workers.worker import Worker

log = logging.getLogger("saccade_sampler")

COLUMNS = pa.schema([("step", pa.int64()), ("batch", pa.large_binary()), ("spec", pa.binary())])
"""Of the rows, one for each step: its number; the samples, as a server sends them; the document at `/v1/spec`."""


@dataclass(frozen=True, slots=True)
class RowsRequest:
    """What the rows have.

    Attributes:
        settings: of the dataset, as JSON.
        digest: that the dataset must have on each node; None for any.
        seed: of the stream.
        shard: the batch size, and the part of it.
        start: added to the numbers of all steps.
        augment: whether there are random decisions.
    """

    settings: str
    digest: str | None
    seed: int
    shard: Shard
    start: int
    augment: bool


def make_rows(steps: pa.Table, request: RowsRequest) -> pa.Table:
    """Return a row for each step. steps: their numbers from 0 in the column `id`.

    Raises:
        UserCodeException: Why they cannot be made, as one line. Ray would show any other error as its own.
    """
    try:
        sampler = open_sampler(request.settings, request.digest)
        return pa.concat_tables(sampler.rows([request.start + number for number in steps["id"].to_pylist()], request))
    except SamplerError as error:
        raise UserCodeException(str(error)) from None  # a traceback of Ray's tasks would hide it


@lru_cache(maxsize=2)  # such as one for training and one for validation
def open_sampler(settings: str, digest: str | None) -> "StepSampler":
    """Return the sampler of a dataset, which is opened once in each process."""
    return StepSampler(Settings.model_validate(json.loads(settings)), digest)


class StepSampler:
    """Makes the rows of steps from the files of the node that it runs on, as a server there would."""

    def __init__(self, settings: Settings, digest: str | None) -> None:
        """Open the dataset. Raises `SamplerError`. digest: see `RowsRequest`."""
        [opened] = asyncio.run(open_datasets(settings))
        self._spec = opened.spec
        if digest not in (None, self._spec.digest):
            raise SettingsError(
                f"this node has {opened.title} with digest {self._spec.digest}, expected {digest}; give all nodes the "
                "same annotations, config and version"
            )
        setup = WorkerSetup((opened.setup(0),), kernel_cache=settings.cache_dir / "kernels")
        self._worker = Worker.start(setup, views={})
        self._document = json.dumps(self._spec.as_dict()).encode()
        self._opened = opened  # keeps the shared memory that the worker has mapped

    def rows(self, steps: Sequence[int], request: RowsRequest) -> Iterator[pa.Table]:
        """Yield a row for each step."""
        fetch_next = self._fetching(steps, request)
        for step in steps:
            yield pa.table([[step], [self._batch(step, request, fetch_next)], [self._document]], schema=COLUMNS)
            for notice in self._worker.outbox.take():
                log.warning("image %d (%s): %s", notice.index, notice.file, notice.text)

    def _fetching(self, steps: Iterable[int], request: RowsRequest) -> Callable[[], None] | None:
        """Begin to fetch the first images. Return what begins to fetch one more; None if images are local.

        Read one by one, each sample would wait for the storage.
        """
        if not self._worker.is_remote:
            return None
        [opened] = self._worker.datasets
        keys = (key for step in steps for key in step_keys(self._spec.size, request.seed, step, request.shard))
        opened.dataset.read_ahead(list(islice(keys, AHEAD)))
        return lambda: opened.dataset.read_ahead(list(islice(keys, 1)))

    def _batch(self, step: int, request: RowsRequest, between: Callable[[], None] | None) -> bytes:
        [opened] = self._worker.datasets
        header = Header(self._spec.digest, "compact", request.augment, request.shard.count, step)
        keys = step_keys(self._spec.size, request.seed, step, request.shard)
        return write_batch(header, keys, opened.dataset, opened.config, opened.categories, COMPILED, between)
