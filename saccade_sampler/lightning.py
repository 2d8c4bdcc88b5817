"""PyTorch Lightning: a data module whose checkpoints resume at the exact next step.

    from saccade_sampler.lightning import SamplerDataModule

    data = SamplerDataModule("http://cpu-host:8000", seed=7, batch_size=48, stop=500_000)
    trainer.fit(model, datamodule=data, ckpt_path="last")

Lightning may fetch a batch before it has trained the one before. A checkpoint therefore counts the batches that were
trained, not those that were fetched.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

from client.batches import Batch, TorchBatch
from client.credentials import as_token
from client.errors import MissingExtraError, RequestRefusedError, checked_arguments
from client.loading.loader import Loader, loader
from client.loading.options import ReceivingOptions
from client.loading.settings import require_same_samples
from sampler.checks import require_integer
from sampler.errors import InvalidRequestError
from sampler.stream.shards import STEP_LIMIT

if TYPE_CHECKING:
    import lightning.pytorch as pl
else:
    try:
        import lightning.pytorch as pl
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "lightning":
            raise
        try:
            import pytorch_lightning as pl
        except ModuleNotFoundError:
            raise MissingExtraError("lightning is not installed: pip install 'saccade-sampler[lightning]'") from error

OTHER_CHECKPOINT = "as in this data module; use that of the checkpoint, or train without ckpt_path"
"""What to do about a checkpoint with another seed or batch size."""

log: logging.Logger = logging.getLogger("saccade_client")


class SamplerDataModule(pl.LightningDataModule):
    """The batches of a server for a `Trainer`: training steps in order, each once, and validation steps.

    Rank and world size are those of the trainer. On a GPU, batches are rendered there.

    A checkpoint holds the next step. `fit(…, ckpt_path=…)` continues with it, in the middle of an epoch too, also with
    another number of ranks. A further epoch, or another `fit`, goes on at the next step. An epoch has the length of
    `limit_train_batches`; without it, the first one lasts until `stop`. Training ends at `stop`.

    A step is one call of `training_step`. With `accumulate_grad_batches=k`, `trainer.global_step` counts every k-th.

    Validation receives the same steps each time, without random decisions unless told otherwise.
    """

    def __init__(
        self,
        url: str | Iterable[str] | None = None,
        *,
        seed: int,
        batch_size: int,
        start: int = 0,
        stop: int | None = None,
        dataset: str | None = None,
        augment: bool = True,
        digest: str | None = None,
        val_dataset: str | None = None,
        val_steps: int = 0,
        val_augment: bool = False,
        allow_digest_change: bool = False,
        **receiving: Unpack[ReceivingOptions],
    ) -> None:
        """Make a data module. Nothing is requested before the trainer asks for batches.

        Args:
            url: see `loader`; so are all arguments not listed here.
            seed: of training and validation.
            batch_size: B, of all ranks together, of training and validation.
            start: the first step to train, if no checkpoint is loaded.
            stop: the step to stop before; None for no end.
            dataset: name of the dataset to train on; None for the server's first.
            augment: False to train without random decisions.
            digest: required digest of `dataset`; None for any.
            val_dataset: name of the dataset to validate on; None for the server's first.
            val_steps: number of steps of a validation; 0 for none.
            val_augment: True to validate with random decisions.
            allow_digest_change: whether a checkpoint may be loaded that was saved with another digest: see
                `Loader.load_state_dict`.
            **receiving: see `loader`.

        Raises:
            RequestRefusedError: a value is out of range, or rank, world size or device is given.
        """
        super().__init__()
        with checked_arguments():
            for name, value in receiving.items():
                if name in {"rank", "world_size", "device"}:
                    raise InvalidRequestError(name, value, "none, because that of the trainer is used")
                if name not in ReceivingOptions.__optional_keys__:
                    raise TypeError(f"{type(self).__name__}() got an unexpected keyword argument {name!r}")
            self._val_steps = require_integer("val_steps", val_steps, 0, STEP_LIMIT)
            receiving["token"] = as_token(receiving.get("token"))
        if url is not None and not isinstance(url, str):
            url = tuple(url)
        common = partial(loader, url, seed=seed, batch_size=batch_size, **receiving)
        self._train = partial(common, start=start, stop=stop, dataset=dataset, augment=augment, digest=digest)
        self._validate = partial(common, stop=self._val_steps, dataset=val_dataset, augment=val_augment)
        for checked in (self._train, self._validate):
            checked(rank=0, world_size=1)
        self._stop = stop
        self._allow_digest_change = allow_digest_change
        if val_steps:  # Lightning validates whenever there is a method of this name
            self.val_dataloader: Callable[[], ValidationSteps] = self._validation_steps
        self._state: dict[str, Any] | None = None
        self._training: TrainingSteps | None = None
        self._validation: ValidationSteps | None = None

    def setup(self, stage: str) -> None:
        """Let the trainer count the steps that were trained, and close the steps of a validation that has ended."""
        callbacks: list[pl.Callback] = self._trainer.callbacks  # type: ignore[attr-defined] # set by a part of it
        if stage == "fit" and not any(isinstance(one, _StepCounter) and one.data is self for one in callbacks):
            # The counter comes before callbacks that save checkpoints.
            callbacks[:] = [_StepCounter(self), *callbacks, _ValidationCloser(self)]
        if stage == "fit" and self._trainer.enable_validation:
            self._require_validation()

    def _require_validation(self) -> None:
        """Ask for the spec now, because a wrong name would end the training when it has trained its first epoch."""
        try:
            self._on_this_rank(self._validate).spec()
        except RequestRefusedError as error:
            asked = f"SamplerDataModule validates with val_dataset = {self._validate.keywords['dataset']!r}"
            error.add_note(f"{asked}; without val_dataset, it takes the server's first dataset")
            raise

    def train_dataloader(self) -> "TrainingSteps":
        """Return the steps that were not trained yet."""
        self._keep_state()
        repeat = self._trainer.overfit_batches > 0  # type: ignore[attr-defined] # set by a part of it
        batches = self._on_this_rank(self._train)
        training = TrainingSteps(batches, self._stop, self._allow_digest_change, repeat=repeat)
        if self._state is not None:
            training.resume(self._state)
        elif self._trainer.ckpt_path is not None:
            message = "%s has no state of a data module %s: training begins at step %d of its data"
            log.warning(message, self._trainer.ckpt_path, type(self).__qualname__, training.next_step)
        self._training = training
        return training

    def _validation_steps(self) -> "ValidationSteps":
        """Return the steps of a validation."""
        self._validation = ValidationSteps(partial(self._on_this_rank, self._validate), self._val_steps)
        return self._validation

    def state_dict(self) -> dict[str, Any]:
        """Return the state to resume from, as `Loader.state_dict` does, with the step after the last trained one."""
        if self._training is not None:
            return self._training.state_dict()
        return {} if self._state is None else self._state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue at the step of a state, unless the trainer only validates, tests or predicts with a checkpoint.

        The state is checked when the trainer asks for batches.
        """
        trains = self.trainer is None or self.trainer.state.fn == "fit"
        if state_dict and trains:
            self._state = state_dict
            self._training = None

    def teardown(self, stage: str) -> None:  # noqa: ARG002 - Lightning passes it
        """End the processes of the loaders."""
        self._close()

    def on_exception(self, exception: BaseException) -> None:  # noqa: ARG002 - Lightning passes it
        """End the processes of the loaders."""
        self._close()

    @property
    def _trainer(self) -> "pl.Trainer":
        assert self.trainer is not None, "Lightning calls this with a trainer"
        return self.trainer

    def _on_this_rank(self, make: "partial[Loader[Any]]") -> Loader[Any]:
        """Return a loader of the trainer's rank. It renders on the trainer's device if that is a GPU of CUDA."""
        ranks = self._trainer.distributed_sampler_kwargs or {"rank": 0, "num_replicas": 1}
        device = self._trainer.strategy.root_device
        on_device = {"device": device} if device.type == "cuda" else {}
        return make(rank=ranks["rank"], world_size=ranks["num_replicas"], **on_device)

    def _close(self) -> None:
        """Close the steps of training and validation, but keep the state."""
        self._close_validation()
        self._keep_state()

    def _close_validation(self) -> None:
        if self._validation is not None:
            self._validation.close()

    def _keep_state(self) -> None:
        """Close the training steps, but keep their state."""
        training, self._training = self._training, None
        if training is not None:
            self._state = training.state_dict()
            training.close()


class TrainingSteps:
    """The steps that were not trained yet, as batches of tensors. A new iteration begins with the first of them.

    next_step: the first of them.
    """

    def __init__(self, batches: Loader[Any], stop: int | None, allow_digest_change: bool, *, repeat: bool) -> None:
        """Take over a loader that has not started.

        Args:
            batches: the loader.
            stop: see `SamplerDataModule`.
            allow_digest_change: see `SamplerDataModule`.
            repeat: whether each iteration begins with the first step of all, to overfit a few batches.
        """
        self._batches = batches
        self._stop = None if repeat else stop
        self._allow_digest_change = allow_digest_change
        self._repeat_from = _step_of(batches) if repeat else None
        self.next_step: int = _step_of(batches)

    def __len__(self) -> int:
        """The number of steps from `start` to `stop`. Raises TypeError without a `stop`."""
        return len(self._batches)

    def __iter__(self) -> Iterator[TorchBatch[int]]:
        """Yield batches. Steps that an earlier iteration has yielded too early are received again."""
        if self._repeat_from is not None:
            self.next_step = self._repeat_from
        if _step_of(self._batches) != self.next_step:
            self._batches.load_state_dict(self.state_dict())
        for batch in self._batches:
            yield _tensors(batch)

    def count_trained(self) -> None:
        """A step was trained."""
        self.next_step += 1

    @property
    def left(self) -> int | None:
        """The number of steps up to `stop`; None without an end."""
        return None if self._stop is None else self._stop - self.next_step

    def state_dict(self) -> dict[str, Any]:
        """Return the loader's state with the step after the last trained one."""
        return self._batches.state_dict() | {"step": self.next_step}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Do nothing: the data module has the state. Without this method, Lightning warns that it cannot resume."""

    def resume(self, state: Mapping[str, Any]) -> None:
        """Continue at the step of a state. Raises the errors of `Loader.load_state_dict`."""
        own = self._batches.state_dict()
        with checked_arguments():
            require_same_samples(state, own["seed"], own["batch_size"], OTHER_CHECKPOINT)
        self._batches.load_state_dict(state, allow_digest_change=self._allow_digest_change)
        self.next_step = _step_of(self._batches)

    def close(self) -> None:
        """End the loader's process."""
        self._batches.close()


class ValidationSteps:
    """The same steps in each iteration, as batches of tensors, from a loader that lives as long as the iteration."""

    def __init__(self, make: Callable[[], Loader[Any]], steps: int) -> None:
        """make: returns a new loader of the steps."""
        self._make = make
        self._steps = steps
        self._batches: Loader[Any] | None = None

    def __len__(self) -> int:
        return self._steps

    def __iter__(self) -> Iterator[TorchBatch[int]]:
        self.close()
        self._batches = self._make()
        with self._batches as batches:
            yield from map(_tensors, batches)

    def close(self) -> None:
        """End the process of an iteration that was left before its last step."""
        batches, self._batches = self._batches, None
        if batches is not None:
            batches.close()


class _StepCounter(pl.Callback):
    """Count trained steps for checkpoints, and end the training after the last one."""

    def __init__(self, data: SamplerDataModule) -> None:
        self.data = data

    def on_train_batch_start(self, trainer: "pl.Trainer", *_args: Any, **_named: Any) -> None:
        if self._left == 1:
            # The trainer expects epochs of the same length. Without this, it would not apply the gradients that it has
            # accumulated in a shorter one.
            trainer.fit_loop.epoch_loop.batch_progress.is_last_batch = True

    def on_train_batch_end(self, trainer: "pl.Trainer", *_args: Any, **_named: Any) -> None:
        if self.data._training is not None:
            self.data._training.count_trained()
        self._stop_at_the_end(trainer)  # now, so that the trainer validates

    def on_train_epoch_end(self, trainer: "pl.Trainer", *_args: Any, **_named: Any) -> None:
        self._stop_at_the_end(trainer)  # of a training that has resumed after its last step

    @property
    def _left(self) -> int | None:
        return None if self.data._training is None else self.data._training.left

    def _stop_at_the_end(self, trainer: "pl.Trainer") -> None:
        if self._left == 0:
            trainer.should_stop = True


class _ValidationCloser(pl.Callback):
    """End the process of a validation that takes fewer steps than there are, such as the sanity check."""

    def __init__(self, data: SamplerDataModule) -> None:
        self.data = data

    def on_sanity_check_end(self, *_args: Any, **_named: Any) -> None:
        self.data._close_validation()

    def on_validation_end(self, *_args: Any, **_named: Any) -> None:
        self.data._close_validation()


def _step_of(batches: Loader[Any]) -> int:
    step: int = batches.state_dict()["step"]
    return step


def _tensors(batch: Batch[int] | TorchBatch[int]) -> TorchBatch[int]:
    """Return a batch of a loader with or without a device as tensors."""
    return batch.torch() if isinstance(batch, Batch) else batch
