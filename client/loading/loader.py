"""The loader."""

import os
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, Self, TypeVar, Unpack, cast, overload

from client.access import access_to
from client.batches import Batch, TorchBatch
from client.credentials import Token, as_token
from client.errors import ClientError, checked_arguments
from client.fleet.addresses import ServerAddresses
from client.loading.options import LoaderOptions
from client.loading.settings import (
    LOADED,
    REMEDIES,
    LoaderSettings,
    pins_of,
    require_all_steps,
    require_servable,
    resumed_step,
    state_of,
)
from client.loading.torchrun import rank_and_world_size
from client.loading.trainer.handover import ArrayHandover, Handover
from client.loading.trainer.ranks import RankComparison
from client.loading.trainer.statistics import LoaderStatistics, StatisticsRecorder
from client.loading.trainer.supervisor import EarlyWorker, SlotSource
from client.process_owner import ProcessOwner
from client.protocol.requests import stream_request
from client.protocol.retries import BATCH_SECONDS
from client.protocol.target import Pins
from client.torch_module import torch_module
from sampler.arrays import Layout
from sampler.errors import InvalidRequestError
from sampler.wire.spec import ServiceSpec

if TYPE_CHECKING:
    from client.loading.stateful_dataset import StatefulDataset
    from client.torch_device import Device

BatchT_co = TypeVar("BatchT_co", bound=Batch | TorchBatch, covariant=True)

AHEAD = 2
"""With one batch in progress and one that is ready, a trainer that is slower than its loader never waits."""

LOG_EVERY = 60.0


class Loader(Generic[BatchT_co]):
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

    Use a loader from one thread at a time. It belongs to the process that gets its first batch. In a fork it raises
    `ClientError`, and batches made before must not be read there: the trainer reuses their memory.

    If the trainer has initialised torch.distributed with the loader's rank and world size, the loaders of all ranks
    compare their digests when they start, and raise `DigestMismatchError` unless they are the same.

    A loader pickles and copies as its settings and its next step, with the digests it expects. The copy is not started:
    it has no process, counts from zero and works in any process. Both then give the same steps.
    """

    def __init__(self, settings: LoaderSettings, device: Any = None) -> None:
        self._settings = settings
        self._device = device
        self._next_step = settings.request.start
        self._spec: ServiceSpec | None = None
        self._expected = Pins(settings.digest)
        self._ranks = RankComparison()
        self._running: _Running[BatchT_co] | None = None
        self._early: EarlyWorker | None = None
        self._finalizer: weakref.finalize[Any, Any] | None = None
        self._recorder = StatisticsRecorder(settings.log_every)
        self._owner = ProcessOwner("loader")
        self._closed = False
        if device is not None:
            with checked_arguments():
                torch_module("client.torch_device").require_device(device, ", or 'numpy' for NumPy arrays")

    def __repr__(self) -> str:
        settings, shard = self._settings, self._settings.request.shard
        part = f"rank {shard.rank} of {shard.world_size}, {shard.batch_size} samples a step"
        return f"<Loader: {settings.shown_url}, seed {settings.request.seed}, {part}, next step {self._next_step}>"

    def __reduce__(self) -> tuple[Callable[..., "Loader[Any]"], tuple[Any, ...]]:
        return _resumed, (self._settings, self._device, self._next_step, self._pins)

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

    def __getitem__(self, _index: object) -> NoReturn:
        """Raise TypeError. A DataLoader that was given a loader calls this."""
        raise TypeError(
            "a loader has no items by index: iterate over it, or use DataLoader(loader.dataset(), batch_size=None)"
        )

    def __next__(self) -> BatchT_co:
        """Wait for the next batch.

        Raises:
            StopIteration: there are no more batches.
            ClientError: from the client in the loader's process; or the process died several times in a row; or there
                is no memory for the slots.
        """
        self._recorder.ask()
        try:
            batch = self._advance()
        except BaseException:
            self._end()  # perhaps in the middle of a message: the next call starts again, at the same step
            raise
        finally:
            self._recorder.stop()
        if batch is None:
            self._end()
            self._recorder.log()
            raise StopIteration
        return batch

    def close(self) -> None:
        """End the loader's process and release the memory. Batches stay valid. May be called again."""
        self._closed = True
        self._end()
        self._recorder.log()

    def spec(self) -> ServiceSpec:
        """Return dataset, config, digest and limits of the server as of the first contact.

        Raises:
            ClientError: see `SamplerClient.spec`.
            DigestMismatchError: a state with another digest was loaded.
            RequestRefusedError: the batch size is above the server's limit.
        """
        if self._spec is None:
            with self._settings.client() as client:
                spec = client.pinned_spec(self._expected, LOADED, REMEDIES)
            with checked_arguments():
                require_servable(self._settings.request.shard, spec)
            self._spec = spec
        return self._spec

    @property
    def statistics(self) -> LoaderStatistics:
        """Counts of batches and the time spent waiting for them."""
        return self._recorder.statistics

    @property
    def process_id(self) -> int | None:
        """The id of the loader's process; None if none runs."""
        return None if self._running is None else self._running.source.worker_pid

    def state_dict(self) -> dict[str, Any]:
        """Return the state to resume from: step, seed, batch_size, world_size, rank, digest, pixels and substitutes.

        `step` is the next one; prefetched batches do not count. `digest` is None before the first contact. `pixels` is
        None too if the server has no hashes of the image files.
        """
        return state_of(self._settings.request, self._next_step, self._pins)

    def load_state_dict(
        self, state: Mapping[str, Any], *, strict: bool = True, allow_digest_change: bool = False
    ) -> None:
        """Continue at the step of a state.

        World size and rank may differ from the state's: a step has the same stream positions for all of them.

        Args:
            state: from `state_dict`.
            strict: whether seed, batch size and digests must be those of this loader.
            allow_digest_change: whether the digest may be another, for example after an update of the server. The steps
                from here on may then have other samples than those before. The images must be the same.

        Raises:
            RequestRefusedError: the state has another seed or batch size, is past `stop`, or belongs to one worker of a
                DataLoader.
            DigestMismatchError: the state has another digest, another number of substitutes, or both have digests of
                the image files and these differ. Raised here, or at first contact with the server.
        """
        with checked_arguments():
            require_all_steps(state)
            step = resumed_step(state, self._settings.request, strict=strict)
        expected = pins_of(state, self._settings.digest, strict=strict, allow_digest_change=allow_digest_change)
        if self._spec is not None:
            expected.require(self._spec, self._settings.shown_url, LOADED, remedies=REMEDIES)
        self._expected = expected
        self._end()
        self._next_step = step

    def dataset(self) -> "StatefulDataset":
        """Return the batches from the next one on as a `StatefulDataset` for PyTorch's DataLoader.

        Raises:
            MissingExtraError: torch is not installed.
        """
        module = torch_module("client.loading.torch_dataset")
        dataset: StatefulDataset = module.BatchDataset(self._settings.at(self._next_step))
        return dataset

    @property
    def _pins(self) -> Pins:
        """The digests that the server must have."""
        return self._expected if self._spec is None else Pins.of(self._spec)

    def _advance(self) -> BatchT_co | None:
        running = self._start()
        running.handover.make_room()
        delivered = running.source.next()
        if delivered is None:
            return None
        filled, memory = delivered
        batch = running.handover.batch(filled, memory)
        self._next_step = filled.step + 1
        if filled.damaged:
            self._recorder.add(damaged=filled.damaged)
        if filled.fleet is not None:
            self._recorder.count_servers(filled.fleet)
        self._recorder.give(len(filled.untagged), running.handover.form.payload)
        return batch

    def _start(self) -> "_Running[BatchT_co]":
        if self._closed:
            raise ClientError("the loader is closed: make a new one")
        self._owner.require()
        if self._running is None:
            if self._spec is None and not self._settings.request.empty:
                self._early = EarlyWorker()
                self._early.start()
            spec, count = self.spec(), self._settings.request.shard.count
            self._recorder.dataset = spec.dataset_name
            self._ranks.require(self._settings, Pins.of(spec))
            if self._device is None:
                handover = cast("Handover[BatchT_co]", ArrayHandover(spec, count))
            else:
                on_device = torch_module("client.loading.trainer.device_handover")
                handover = on_device.DeviceHandover(spec, count, self._device)
            settings = self._settings.at(self._next_step)
            early, self._early = self._early, None
            source = SlotSource(
                settings, Pins.of(spec), self._recorder, early, render=handover.render, slot_bytes=handover.form.size
            )
            self._running = _Running(source, handover)
            self._finalizer = weakref.finalize(self, self._running.close)
            handover.attach(source.slots)
        self._running.source.start()
        return self._running

    def _end(self) -> None:
        early, self._early = self._early, None
        if early is not None:
            early.close()
        self._running = None
        if self._finalizer is not None:
            self._finalizer()  # does nothing when called again


class _Running(Generic[BatchT_co]):
    """What a loader has while it receives. It does not refer to the loader, so that it can be its finalizer."""

    def __init__(self, source: SlotSource, handover: Handover[BatchT_co]) -> None:
        self.source = source
        self.handover = handover
        self._process = os.getpid()

    def close(self) -> None:
        try:
            if os.getpid() == self._process:  # a fork cannot use the GPU of its parent
                self.handover.close()
        finally:
            self.source.close()


def _resumed(settings: LoaderSettings, device: Any, step: int, pins: Pins) -> Loader[Any]:
    """Return a loader that has not started and whose next step is `step`."""
    loaded: Loader[Any] = Loader(settings, device)
    loaded._next_step, loaded._expected = step, pins
    return loaded


@overload
def loader(
    url: str | Iterable[str] | None = None, *, device: Literal["numpy"] = "numpy", **options: Unpack[LoaderOptions]
) -> Loader[Batch[int]]: ...


@overload
def loader(
    url: str | Iterable[str] | None = None, *, device: "Device", **options: Unpack[LoaderOptions]
) -> Loader[TorchBatch[int]]: ...


def loader(
    url: str | Iterable[str] | None = None,
    *,
    seed: int,
    batch_size: int,
    rank: int | None = None,
    world_size: int | None = None,
    start: int = 0,
    stop: int | None = None,
    dataset: str | None = None,
    digest: str | None = None,
    ahead: int = AHEAD,
    device: Any = "numpy",
    augment: bool = True,
    layout: Layout = "compact",
    attempts: int | None = None,
    max_wait: float | None = None,
    batch_seconds: float | None = BATCH_SECONDS,
    timeout: float | None = None,
    log_every: float | None = LOG_EVERY,
    token: str | Token | None = None,
    ca: str | os.PathLike[str] | None = None,
) -> Loader[Any]:
    """Return a loader of a rank's batches of the steps start … stop−1, in order.

    It receives and renders batches ahead of the training loop, in its own process. The batches are those of
    `SamplerClient.stream`, to the last bit. The process is started by the first batch or the `with` block.

    The loader has ahead + 4 slots of shared memory, each for the B samples of one batch. Without a device, a slot holds
    dense arrays: about 290 MB for B = 48 and 80 categories, so up to 1.7 GB with ahead = 2. With a device, it holds
    crops: 10 to 40 MB. Pages that were never written take no memory: a loop that drops each batch before the next uses
    about ahead + 2 slots. All of it counts in the trainer's memory cgroup.

    Args:
        url: of the server; or several, which are used as one: see `SamplerClient`. None for those in SAMPLER_URL.
        seed: 0 … 2⁶⁴−1.
        batch_size: B, of all ranks together.
        rank: 0 … world_size−1. Give both rank and world size, or neither: they are then those of torchrun's variables
            RANK and WORLD_SIZE, which is logged, or 0 and 1 if these are not set.
        world_size: 1 … B.
        start: the first step, 0 … 2⁶².
        stop: the step to stop before; None for an endless loader.
        dataset: name of one of the server's datasets, such as "val"; None for the first.
        digest: that the dataset must have, as `spec().digest` has it; None for that of the first contact.
        ahead: number of prefetched batches, 1 … 256.
        device: where PyTorch renders the batches, such as "cuda". Batches are then `TorchBatch` on that device.
            With "numpy" they are `Batch`, in memory shared with the loader worker. None is refused, because a trainer
            without a GPU may mean either.
        augment: False for the fixed recipe, without random decisions.
        layout: how batches travel; "compact" with a device.
        attempts: see `SamplerClient`; None for its default. The same goes for the next two.
        max_wait: in seconds.
        batch_seconds: for one batch over all attempts; None for no limit. Time that the loader waits for a free slot
            does not count.
        timeout: in seconds.
        log_every: seconds between two lines in the log (logger "saccade_client") that say how long the trainer waited
            for data; None for no lines.
        token: see `SamplerClient`. A pickle of the loader's settings has it only on its way to a process that
            `multiprocessing` starts; elsewhere, the environment of the process that unpickles it counts.
        ca: see `SamplerClient`.

    Raises:
        RequestRefusedError: a value is out of range, or torch does not find the device.
        MissingExtraError: a device was given, but torch is not installed.
    """
    with checked_arguments():
        if device is None:
            raise InvalidRequestError("device", None, "a device of PyTorch, such as 'cuda' or 'cpu', or 'numpy'")
        torch_device = None if device == "numpy" else device
        if torch_device is not None and layout != "compact":
            raise InvalidRequestError("layout", layout, "compact, to render batches on a device")
        rank, world_size = rank_and_world_size(rank, world_size, batch_size)
        request = stream_request(
            seed=seed, start=start, stop=stop, batch_size=batch_size, rank=rank, world_size=world_size,
            augment=augment, layout=layout,
        )  # fmt: skip
        given = as_token(token)
        addresses = ServerAddresses.parse(url)
        settings = LoaderSettings(
            url=addresses.argument, request=request, dataset=dataset, digest=digest, ahead=ahead, attempts=attempts,
            max_wait=max_wait, batch_seconds=batch_seconds, timeout=timeout, log_every=log_every, token=given,
        )  # fmt: skip
        # Checked here, because later an error would end the training.
        access = access_to(((base.url, base.proxy) for base in addresses.bases), given, ca)
        settings = replace(settings, ca=access.ca)
    return Loader(settings, torch_device)
