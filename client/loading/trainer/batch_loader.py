"""The loader."""

import importlib
import weakref
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast

from client.batches import Batch, TorchBatch
from client.errors import ClientError, MissingExtraError, checked_arguments
from client.loading.settings import LOADED, LoaderSettings, require_all_steps, require_digest, resumed_step, state_of
from client.loading.trainer.handover import ArrayHandover, Handover
from client.loading.trainer.statistics import LoaderStatistics, WaitingClock
from client.loading.trainer.supervisor import SlotSource
from sampler.wire.spec import ServiceSpec

BatchT = TypeVar("BatchT", bound=Batch | TorchBatch)


class Loader(Generic[BatchT]):
    """An iterator over a rank's batches in step order. Make one with `client.loader`.

        with client.loader("http://cpu-host:8000", seed=7, batch_size=48, rank=0, world_size=4) as batches:
            for batch in batches:
                train(batch.xs, batch.ys)

    Batches are received and rendered ahead, in a process of the loader's own. It starts with the first batch or the
    `with` block. It exits after the last batch, with `close`, with the block, when nothing refers to the loader any
    more, and with the trainer, even if the trainer crashes. If it dies, it is restarted at the next batch.

    Each batch comes once; a second loop continues where the first was left. After a `ClientError`, the same step is
    next again.

    The memory of a batch is reused once the last view of its arrays is gone. Batches that are kept stay unchanged: if
    more than four are kept at once, later ones are copied (`statistics.copies`).

    Use a loader from one thread at a time. After a fork, it works in the process that made it; in others it raises
    `ClientError`, and batches made before must not be read there: the trainer reuses their memory.
    """

    def __init__(self, settings: LoaderSettings, device: Any = None) -> None:
        """Make a loader: see `client.loader`."""
        self._settings = settings
        self._device = device
        self._next_step = settings.request.start
        self._spec: ServiceSpec | None = None
        self._expected_digest: str | None = None
        self._running: _Running[BatchT] | None = None
        self._finalizer: weakref.finalize[Any, Any] | None = None
        self._clock = WaitingClock(settings.log_every)
        self._past = LoaderStatistics()  # without the times, and without what the running source counts
        self._closed = False
        if device is not None:
            with checked_arguments():
                _torch_module("device_handover").require_device(device)

    def __repr__(self) -> str:
        settings, shard = self._settings, self._settings.request.shard
        part = f"rank {shard.rank} of {shard.world_size}, {shard.batch_size} samples a step"
        return f"<Loader: {settings.url}, seed {settings.request.seed}, {part}, next step {self._next_step}>"

    def __enter__(self) -> Self:
        """Start the loader's process."""
        try:
            self._start()
        except BaseException:
            self._end()  # `__exit__` is not called
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __len__(self) -> int:
        """The number of steps from `start` to `stop`. Raises TypeError without a `stop`."""
        request = self._settings.request
        if request.stop is None:
            raise TypeError("an endless loader has no length: use loader(…, stop=…)")
        return request.stop - request.start

    def __next__(self) -> BatchT:
        """Wait for the next batch.

        Raises:
            StopIteration: there are no more batches.
            ClientError: from the client in the loader's process; or the process died several times in a row; or there
                is no memory for the slots.
        """
        self._clock.ask()
        try:
            batch = self._advance()
        except BaseException:
            self._end()  # perhaps in the middle of a message: the next call starts again, at the same step
            raise
        finally:
            self._clock.stop()
        if batch is None:
            self._end()
            self._clock.log()
            raise StopIteration
        self._clock.give()
        return batch

    def close(self) -> None:
        """End the loader's process and release the memory. Batches stay valid. May be called again."""
        self._closed = True
        self._end()
        self._clock.log()

    def spec(self) -> ServiceSpec:
        """Return dataset, config, digest and limits of the server as of the first contact.

        Raises:
            ClientError: see `SamplerClient.spec`.
            DigestMismatchError: a state with another digest was loaded.
        """
        if self._spec is None:
            with self._settings.client() as client:
                spec = client.spec()
            require_digest(self._expected_digest, spec, self._settings.url, LOADED)
            self._spec = spec
        return self._spec

    @property
    def statistics(self) -> LoaderStatistics:
        """Counts of batches and the time spent waiting for them."""
        past = self._past
        source = None if self._running is None else self._running.source
        return LoaderStatistics(
            batches=past.batches,
            samples=past.samples,
            bytes=past.bytes,
            waited=self._clock.waited,
            busy=self._clock.busy,
            copies=past.copies + (source.copies if source else 0),
            restarts=past.restarts + (source.restarts if source else 0),
        )

    @property
    def process_id(self) -> int | None:
        """The id of the loader's process; None if none runs."""
        return None if self._running is None else self._running.source.worker_pid

    def state_dict(self) -> dict[str, Any]:
        """Return the state to resume from: step, seed, batch_size, world_size, rank and digest.

        `step` is the next one; prefetched batches do not count. `digest` is None before the first contact.
        """
        digest = self._expected_digest if self._spec is None else self._spec.digest
        return state_of(self._settings.request, self._next_step, digest)

    def load_state_dict(self, state: Mapping[str, Any], *, strict: bool = True) -> None:
        """Continue at the step of a state.

        World size and rank may differ from the state's: a step has the same stream positions for all of them.

        Args:
            state: from `state_dict`.
            strict: whether seed, batch size and digest must be those of this loader.

        Raises:
            RequestRefusedError: the state has another seed or batch size, is past `stop`, or belongs to one worker of a
                DataLoader.
            DigestMismatchError: the state has another digest. Raised here, or at first contact with the server.
        """
        with checked_arguments():
            require_all_steps(state)
            step = resumed_step(state, self._settings.request, strict=strict)
        digest = state["digest"] if strict else None
        if self._spec is not None:
            require_digest(digest, self._spec, self._settings.url, LOADED)
        self._expected_digest = digest
        self._end()
        self._next_step = step

    def dataset(self) -> Any:
        """Return the batches from the next one on as a `BatchDataset` for PyTorch's DataLoader.

        Raises:
            MissingExtraError: torch is not installed.
        """
        return _torch_module("torch_dataset").BatchDataset(self._settings.at(self._next_step))

    def _advance(self) -> BatchT | None:
        running = self._start()
        running.handover.make_room()
        delivered = running.source.next()
        if delivered is None:
            return None
        batch = running.handover.batch(delivered)
        past, filled = self._past, delivered.filled
        self._next_step = filled.step + 1
        self._past = LoaderStatistics(
            past.batches + 1, past.samples + len(filled.untagged), past.bytes + running.handover.form.payload,
            copies=past.copies, restarts=past.restarts,
        )  # fmt: skip
        return batch

    def _start(self) -> "_Running[BatchT]":
        if self._closed:
            raise ClientError("the loader is closed: make a new one")
        if self._running is None:
            spec, count = self.spec(), self._settings.request.shard.count
            if self._device is None:
                handover = cast("Handover[BatchT]", ArrayHandover(spec, count))
            else:
                handover = _torch_module("device_handover").DeviceHandover(spec, count, self._device)
            settings = self._settings.at(self._next_step)
            source = SlotSource(settings, spec.digest, render=handover.render, slot_bytes=handover.form.size)
            self._running = _Running(source, handover)
            self._finalizer = weakref.finalize(self, self._running.close)
            handover.attach(source.slots)
        self._running.source.start()
        return self._running

    def _end(self) -> None:
        running, self._running = self._running, None
        if running is None or self._finalizer is None:
            return
        self._finalizer()
        past = self._past
        self._past = LoaderStatistics(
            past.batches, past.samples, past.bytes,
            copies=past.copies + running.source.copies, restarts=past.restarts + running.source.restarts,
        )  # fmt: skip


class _Running(Generic[BatchT]):
    """What a loader has while it receives. It does not refer to the loader, so that it can be its finalizer."""

    def __init__(self, source: SlotSource, handover: Handover[BatchT]) -> None:
        self.source = source
        self.handover = handover

    def close(self) -> None:
        try:
            self.handover.close()
        finally:
            self.source.close()


def _torch_module(name: str) -> Any:
    try:
        # By name, because torch is an optional extra, needed for tensors and datasets only.
        return importlib.import_module(f"client.loading.trainer.{name}")
    except ImportError as error:
        raise MissingExtraError("torch is not installed: pip install 'saccade-sampler[torch]'") from error
