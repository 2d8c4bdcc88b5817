"""Batches in the place of the queues of CornerNet-Lite's `train.py`.

    from saccade_sampler.cornernet_lite import BatchQueue

    training_tasks = [pinned_training_queue := BatchQueue.training(system_config, args, seed=7)]

`docs/cornernet-lite.md` shows all that changes in `train.py`.
"""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol, Self, TypedDict, Unpack

from client import Batch, ClientError, Loader, RequestRefusedError, ServiceSpec, TorchBatch, loader
from client.errors import checked_arguments
from client.loading.options import ReceivingOptions
from client.torch_module import torch_module
from saccade_sampler.config_comparison import require_same_config
from sampler.checks import require_integer
from sampler.errors import InvalidRequestError

TRAIN, VAL = "train", "val"
"""Names of datasets."""

SET_BY_QUEUE = {
    "device": "on_gpu=True gives tensors on the GPU",
    "batch_size": "it is that of the system config",
    "rank": "it is that of the arguments of train.py",
    "world_size": "it is that of the arguments of train.py",
}
"""Arguments of `loader` that a queue sets itself, and where it has them from."""


class SystemConfig(Protocol):
    """What is read of the system config of `train.py`. `batch_size` is that of one process."""

    @property
    def batch_size(self) -> int: ...
    @property
    def max_iter(self) -> int: ...
    @property
    def val_iter(self) -> int: ...


class Arguments(Protocol):
    """What is read of the arguments of `train.py`, once its `main` has set the rank and world size of a process."""

    cfg_file: str
    start_iter: int
    distributed: bool
    rank: int
    world_size: int


class TrainingData(TypedDict):
    """Tensors as the keyword arguments of CornerNet-Lite's `NetworkFactory.train` and `validate`."""

    xs: list[Any]
    ys: list[Any]


class QueueOptions(ReceivingOptions, total=False):
    """Other arguments of `loader` that a queue takes. `start` and `stop` replace those of `train.py`."""

    start: int
    stop: int | None
    augment: bool
    digest: str | None


class BatchQueue:
    """Batches of a server for one process of CornerNet-Lite's `train.py`. Make one with `training` or `validation`.

    `get` returns tensors in pinned memory, as the pinned queues of `train.py` do, or tensors on the current GPU. A
    `Loader` process prefetches them. `terminate` ends it; it also exits with the trainer.

    Use a queue from one thread, in the process that made it.
    """

    def __init__(self, batches: Loader[Any], config_file: Path) -> None:
        """Start the process of the loader, and compare the server's config with a file.

        Raises:
            ClientError: see `Loader`; or the server has another config.
            ConfigError: the file cannot be used.
        """
        self._open = ExitStack()
        try:
            self._batches: Loader[Any] = self._open.enter_context(batches)
            require_same_config(batches.spec(), config_file)
            self._pins = bool(torch_module("torch").cuda.is_available())
        except BaseException:
            self._open.close()
            raise

    @classmethod
    def training(
        cls,
        system_config: SystemConfig,
        args: Arguments,
        *,
        seed: int,
        url: str | Iterable[str] | None = None,
        dataset: str | None = TRAIN,
        on_gpu: bool = False,
        **options: Unpack[QueueOptions],
    ) -> Self:
        """Return the batches of iterations `args.start_iter` + 1 … `max_iter`, which are the steps from `start_iter`.

        Args:
            system_config: of `train.py`.
            args: the arguments of `train.py`, as `train` gets them.
            seed: of the samples, 0 … 2⁶⁴−1; the same for all processes.
            url: of the server; or several, which are used as one. None for those in SAMPLER_URL.
            dataset: name of one of the server's datasets; None for the first. A server whose only dataset has no name
                gives it to the training.
            on_gpu: whether batches are rendered on the current GPU: 0.2 MB per sample are copied to it instead of 6 MB.
            options: other arguments of `loader`: `augment`, `digest`, `start` and `stop` instead of those above, and
                those that say how batches are received, such as `ahead` or `ca`.

        Raises:
            RequestRefusedError: a value is out of range, an option is one that the queue sets itself (`device`,
                `batch_size`, `rank`, `world_size`), or `on_gpu` is set and torch finds no GPU.
            ClientError: from the first contact with the server; or it has no such dataset, or another config than
                `train.py`.
        """
        start = args.start_iter
        span = {"start": start, "stop": max(start, system_config.max_iter)}
        return cls._of(system_config, args, on_gpu, {"seed": seed, "url": url, "dataset": dataset, **span, **options})

    @classmethod
    def validation(
        cls,
        system_config: SystemConfig,
        args: Arguments,
        *,
        seed: int,
        url: str | Iterable[str] | None = None,
        dataset: str | None = VAL,
        on_gpu: bool = False,
        **options: Unpack[QueueOptions],
    ) -> Self:
        """Return the batches of the validations after iteration `args.start_iter`, one for each `val_iter` iterations.

        The samples are augmented, as those that `train.py` validates with: CornerNet-Lite's sampling functions ignore
        its `data_aug`. With augment=False, they have no random decisions.

        Args and Raises: see `training`.
        """
        with checked_arguments():
            every = require_integer("val_iter", system_config.val_iter, 1)
        span = {"start": args.start_iter // every}
        return cls._of(system_config, args, on_gpu, {"seed": seed, "url": url, "dataset": dataset, **span, **options})

    @classmethod
    def _of(cls, system_config: SystemConfig, args: Arguments, on_gpu: bool, options: dict[str, Any]) -> Self:
        _require_not_set_here(options)
        rank, world_size = (args.rank, args.world_size) if args.distributed else (0, 1)
        config_file = Path("configs", f"{args.cfg_file}.json")

        def batches(options: dict[str, Any]) -> Loader[Any]:
            return loader(
                device="cuda" if on_gpu else "numpy", batch_size=system_config.batch_size * world_size,
                rank=rank, world_size=world_size, **options,
            )  # fmt: skip

        try:
            return cls(batches(options), config_file)
        except RequestRefusedError as error:
            if all(row.get("field") != "dataset" for row in error.errors):
                raise
        first = options | {"dataset": None}
        require_unnamed_training(options["dataset"], batches(first | {"digest": None}).spec())
        return cls(batches(first), config_file)

    def get(self, block: bool = True) -> TrainingData:
        """Wait for the next batch. With a GPU but without `on_gpu`, the batch is copied into pinned memory here.

        Raises:
            RequestRefusedError: `block` is False.
            ClientError: see `Loader`; or all batches were taken.
        """
        if not block:
            with checked_arguments():
                raise InvalidRequestError("block", block, "True: a queue waits for its batch")
        batch = next(self._batches, None)
        if batch is None:
            stop = self._batches.state_dict()["step"]
            raise ClientError(f"there are no more batches: they end before step {stop}")
        tensors = batch if isinstance(batch, TorchBatch) else self._tensors(batch)
        return {"xs": tensors.xs, "ys": tensors.ys}

    def terminate(self) -> None:
        """End the loader's process. May be called again. `train.py` calls it for each of its tasks."""
        self._open.close()

    def _tensors(self, batch: Batch[int]) -> TorchBatch[int]:
        """Return tensors in pinned memory, if there is a GPU to copy them to. Others share the memory of the batch."""
        tensors = batch.torch()
        return tensors.pin_memory() if self._pins else tensors


def require_unnamed_training(dataset: str | None, spec: ServiceSpec) -> None:
    """Raise `ClientError` for a dataset that a server does not have, unless it is to train with its only one.

    spec: of the server's first dataset.
    """
    if dataset == TRAIN and not spec.datasets:
        return
    others = f"one of {', '.join(spec.datasets)}" if spec.datasets else "None, for its only dataset"
    raise ClientError(
        f"the server has no dataset named {dataset}: give it [datasets.{dataset}] in its settings file, "
        f"or pass dataset= with {others}"
    )


def _require_not_set_here(options: Mapping[str, Any]) -> None:
    """Raise `RequestRefusedError` for an option that a queue sets itself."""
    given = [name for name in SET_BY_QUEUE if name in options]
    if given:
        name = given[0]
        with checked_arguments():
            raise InvalidRequestError(name, options[name], f"no {name}: {SET_BY_QUEUE[name]}")
