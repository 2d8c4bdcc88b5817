"""The loader for training loops: the class."""

import importlib
import weakref
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast

from client.batches.batch import Batch, TorchBatch
from client.errors import ClientError, MissingExtraError, checked_arguments
from client.loading.settings import LOADED, LoaderSettings, require_digest, require_whole, resumed_step, state_of
from client.loading.trainer.handover import Unloading, ViewUnloading
from client.loading.trainer.statistics import LoaderStatistics, WaitingClock
from client.loading.trainer.supervisor import SlotSource
from sampler.wire.spec import ServiceSpec

BatchT = TypeVar("BatchT", bound=Batch | TorchBatch)


class Loader(Generic[BatchT]):
    """A rank's batches in step order, received and rendered ahead in a process of the loader's own; see `loader`.

        with client.loader("http://cpu-host:8000", seed=7, batch_size=48, rank=0, world_size=4) as batches:
            for batch in batches:
                train(batch.xs, batch.ys)

    It is an iterator: each batch comes once, and a second loop goes on where the first was left. The process starts
    with the first batch asked for (or at `with`), and ends after the last one, with `close`, with the block, when
    nothing refers to the loader any more, and with the trainer, however that ends. Where the process dies, another is
    started and goes on with the next batch not handed out.

    Arrays lie in memory that is used again once the last view of them is gone, so nothing need be given back; batches
    that are kept stay as they are. Past four batches kept at once, further ones are copied (`statistics.copies`).

    After a `ClientError` the same step is next again. For one thread at a time. After a fork, a loader works on in the
    process that made it; elsewhere it raises `ClientError`, and batches handed out before are not to be read there,
    for their memory is shared with the trainer, which goes on using it.
    """

    def __init__(self, settings: LoaderSettings, device: Any = None) -> None:
        """Start nothing yet.

        Raises `MissingExtraError` for a device where torch is not installed, `RequestRefusedError` for one that torch
        does not find here.
        """
        self._settings = settings
        self._device = device
        self._next_step = settings.request.start
        self._spec: ServiceSpec | None = None
        self._expected_digest: str | None = None
        self._running: _Running[BatchT] | None = None
        self._finalizer: weakref.finalize[Any, Any] | None = None
        self._clock = WaitingClock(settings.log_every)
        self._handed = LoaderStatistics()
        self._closed = False
        if device is not None:
            part = _torch_part("client.loading.trainer.device_handover")
            with checked_arguments():
                part.require_device(device)

    def __repr__(self) -> str:
        """Whose batches it gives, and which comes next."""
        settings, shard = self._settings, self._settings.request.shard
        part = f"rank {shard.rank} of {shard.world_size}, {shard.batch_size} samples a step"
        return f"<Loader: {settings.url}, seed {settings.request.seed}, {part}, next step {self._next_step}>"

    def __enter__(self) -> Self:
        """Start receiving, and return the loader, to be closed at the end of the block."""
        try:
            self._started()
        except BaseException:
            self._end()  # an interrupt, perhaps: the block's end never comes
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the loader."""
        self.close()

    def __iter__(self) -> Self:
        """The loader itself."""
        return self

    def __len__(self) -> int:
        """How many batches there are from `start` to `stop`, handed out or not. Raises TypeError without a `stop`."""
        request = self._settings.request
        if request.stop is None:
            raise TypeError("this loader has no stop, and no length: expected loader(…, stop=…)")
        return request.stop - request.start

    def __next__(self) -> BatchT:
        """Wait for the next batch, and return it.

        Raises StopIteration after the last one, and any `ClientError`: that the client in the process met, one that
        tells of a process that dies each time, and one where there is no memory for the slots. Then the same step is
        next again.
        """
        self._clock.ask()
        try:
            batch = self._advance()
        except BaseException:
            self._end()  # in the middle of a message, perhaps: the next call begins anew at the same step
            raise
        finally:
            self._clock.stop()
        if batch is None:
            self._end()
            self._clock.tell()
            raise StopIteration
        self._clock.give()
        return batch

    def close(self) -> None:
        """End the process and let go of the memory. Batches handed out stay valid. May be called again."""
        self._closed = True
        self._end()
        self._clock.tell()

    def spec(self) -> ServiceSpec:
        """Return dataset, config, digest and limits of the server, as they were at first contact.

        Raises what `SamplerClient.spec` raises, and `DigestMismatchError` where a state of another digest was loaded.
        """
        if self._spec is None:
            with self._settings.client() as client:
                spec = client.spec()
            require_digest(self._expected_digest, spec, self._settings.url, LOADED)
            self._spec = spec
        return self._spec

    @property
    def statistics(self) -> LoaderStatistics:
        """What was handed out so far, and how long the trainer waited for it."""
        past = self._handed
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
        """The id of the loader's process, or None while there is none."""
        return None if self._running is None else self._running.source.child_pid

    def state_dict(self) -> dict[str, Any]:
        """Return the state to resume from: `step` is the next one not handed out, whatever was received ahead of it.

        Further seed, batch_size, world_size, rank, and digest (None before first contact with the server).
        """
        digest = self._expected_digest if self._spec is None else self._spec.digest
        return state_of(self._settings.request, self._next_step, digest)

    def load_state_dict(self, state: Mapping[str, Any], *, strict: bool = True) -> None:
        """Go on at the step of a state.

        The state may be of another world size and rank: what counts is the positions of the stream, and a step has
        the same ones however many share it. strict: whether seed, batch size and digest must be this loader's.

        Raises `RequestRefusedError` for a state of another seed or batch size, past `stop`, or of one worker of a
        DataLoader, and, here or at first contact with the server, `DigestMismatchError` for one of another digest.
        """
        with checked_arguments():
            require_whole(state)
            step = resumed_step(state, self._settings.request, strict=strict)
        digest = state["digest"] if strict else None
        if self._spec is not None:
            require_digest(digest, self._spec, self._settings.url, LOADED)
        self._expected_digest = digest
        self._end()
        self._next_step = step

    def dataset(self) -> Any:
        """Return the batches from the next one on as a `BatchDataset` for PyTorch's DataLoader.

        Raises `MissingExtraError` where torch is not installed.
        """
        return _torch_part("client.loading.trainer.torch_dataset").BatchDataset(self._settings.at(self._next_step))

    def _advance(self) -> BatchT | None:
        running = self._started()
        running.unloading.make_room()
        delivered = running.source.next()
        if delivered is None:
            return None
        batch = running.unloading.unload(delivered)
        past, form = self._handed, running.unloading.form
        self._next_step = delivered.token.step + 1
        self._handed = LoaderStatistics(
            past.batches + 1, past.samples + len(delivered.token.untagged), past.bytes + form.payload,
            copies=past.copies, restarts=past.restarts,
        )  # fmt: skip
        return batch

    def _started(self) -> "_Running[BatchT]":
        if self._closed:
            raise ClientError("the loader is closed: expected one that is open")
        if self._running is None:
            spec, shard = self.spec(), self._settings.request.shard
            if self._device is None:
                unloading = cast("Unloading[BatchT]", ViewUnloading(spec, shard.count))
            else:
                part = _torch_part("client.loading.trainer.device_handover")
                unloading = part.DeviceUnloading(spec, shard.count, self._device)
            settings = self._settings.at(self._next_step)
            source = SlotSource(settings, spec.digest, render=unloading.render, slot_bytes=unloading.form.size)
            self._running = _Running(source, unloading)
            self._finalizer = weakref.finalize(self, self._running.close)
            unloading.attach(source.slots)
        self._running.source.start()
        return self._running

    def _end(self) -> None:
        running, self._running = self._running, None
        if running is None or self._finalizer is None:
            return
        self._finalizer()
        past = self._handed
        self._handed = LoaderStatistics(
            past.batches, past.samples, past.bytes,
            copies=past.copies + running.source.copies, restarts=past.restarts + running.source.restarts,
        )  # fmt: skip


class _Running(Generic[BatchT]):
    """What a loader has while it receives, and what must end with it; it knows nothing of the loader."""

    def __init__(self, source: SlotSource, unloading: Unloading[BatchT]) -> None:
        self.source = source
        self.unloading = unloading

    def close(self) -> None:
        """End all of it."""
        try:
            self.unloading.close()
        finally:
            self.source.close()


def _torch_part(module: str) -> Any:
    try:
        # By name, for torch is an optional extra: only those who ask for tensors or datasets need it.
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError("torch is not installed: pip install 'saccade-sampler[torch]'") from error
