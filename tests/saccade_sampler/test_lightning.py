"""PyTorch Lightning: every route to its trainer, and checkpoints that resume at the exact next step."""

import importlib
import json
import pickle
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from client import MissingExtraError, RequestRefusedError, SampleKey, SamplerClient
from tests.support.docs import HOST, blocks
from tests.support.loading import STREAM, load
from tests.support.scripted_server import ScriptedServer, scripted
from tests.support.torchrun import torchrun

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from lightning.pytorch import Callback, LightningModule, Trainer  # noqa: E402 - an optional package
from lightning.pytorch.callbacks import ModelCheckpoint  # noqa: E402

from saccade_sampler.lightning import SamplerDataModule  # noqa: E402

pytestmark = [
    pytest.mark.processes,  # of loaders, which a data module makes
    pytest.mark.filterwarnings("ignore:.*LeafSpec"),  # of Lightning and PyTorch themselves
    pytest.mark.filterwarnings("ignore:Checkpoint directory"),
]

QUIET: dict[str, Any] = {
    "accelerator": "cpu", "devices": 1, "logger": False, "enable_progress_bar": False, "enable_model_summary": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    """A server whose dataset has the name "val"."""
    with scripted() as running:
        running.spec = replace(running.spec, dataset_name="val")
        yield running


class Model(LightningModule):
    """Remembers the steps and keys that it is trained with."""

    def __init__(self, fails_at: int | None = None) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.fails_at = fails_at
        self.trained: list[int] = []
        self.keys: list[tuple[SampleKey, ...]] = []
        self.validated: list[int] = []

    def training_step(self, batch: Any) -> Any:
        if batch.step == self.fails_at:
            raise RuntimeError("the training failed")
        self.trained.append(batch.step)
        self.keys.append(batch.keys)
        return self.layer(batch.images.mean()[None]).sum()

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class ValidatedModel(Model):
    """Also remembers the steps that it is validated with."""

    def validation_step(self, batch: Any) -> None:
        self.validated.append(batch.step)


def data_module(server: ScriptedServer, **named: Any) -> SamplerDataModule:
    return SamplerDataModule(server.url, **STREAM | {"log_every": None, "layout": "dense"} | named)


def trainer(folder: Path, **named: Any) -> Trainer:
    return Trainer(**QUIET | {"enable_checkpointing": False, "default_root_dir": folder} | named)


def keys_of(server: ScriptedServer, first: int, last: int) -> list[tuple[SampleKey, ...]]:
    with SamplerClient(server.url) as client:
        return [batch.keys for batch in client.stream(start=first, stop=last, layout="dense", **STREAM)]


@pytest.mark.parametrize(
    ("stop", "limit", "saved_after"),
    [(None, {}, (2, 5)), (40, {"limit_train_batches": 3}, (2, 6, 8))],
    ids=["no known length", "epochs"],
)
def test_a_checkpoint_resumes_at_the_exact_next_step(
    server: ScriptedServer, tmp_path: Path, stop: int | None, limit: dict[str, int], saved_after: tuple[int, ...]
) -> None:
    keys, saved = [], None
    for count in saved_after:  # in the middle of an epoch, and after the last step of one
        model, runs = Model(), trainer(tmp_path, max_steps=count, **limit)
        runs.fit(model, datamodule=data_module(server, stop=stop), ckpt_path=saved)
        assert runs.global_step == count
        saved = tmp_path / f"{count}.ckpt"
        runs.save_checkpoint(saved)
        keys += model.keys
    assert keys == keys_of(server, 0, saved_after[-1])


RANKS = """
import json, sys
from pathlib import Path
from lightning.pytorch import Trainer
from tests.saccade_sampler.test_lightning import QUIET, Model
from saccade_sampler.lightning import SamplerDataModule

url, folder, saved, last = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
options = QUIET | {"devices": 2, "strategy": "ddp", "enable_checkpointing": False, "default_root_dir": folder}
trainer, model = Trainer(max_steps=last, **options), Model()
data = SamplerDataModule(url, seed=7, batch_size=6, log_every=None, layout="dense")
trainer.fit(model, datamodule=data, ckpt_path=saved)
trainer.save_checkpoint(folder / "ranks.ckpt")
keys = [[[key.epoch, key.index] for key in step] for step in model.keys]
(folder / f"rank-{trainer.global_rank}.json").write_text(json.dumps(keys))
"""
"""Two ranks that continue from a checkpoint."""


def test_a_checkpoint_resumes_with_another_number_of_ranks(server: ScriptedServer, tmp_path: Path) -> None:
    alone, again = Model(), Model()
    first = trainer(tmp_path, max_steps=2)
    first.fit(alone, datamodule=data_module(server))
    first.save_checkpoint(tmp_path / "one.ckpt")
    script = tmp_path / "ranks.py"
    script.write_text(RANKS)
    torchrun(2, script, server.url, tmp_path, tmp_path / "one.ckpt", 5)
    trainer(tmp_path, max_steps=6).fit(again, datamodule=data_module(server), ckpt_path=tmp_path / "ranks.ckpt")
    parts = [json.loads((tmp_path / f"rank-{rank}.json").read_text()) for rank in range(2)]
    both = [tuple(SampleKey(7, *key) for key in one + other) for one, other in zip(*parts, strict=True)]
    assert [*alone.keys, *both, *again.keys] == keys_of(server, 0, 6)


def test_a_training_that_failed_resumes_at_the_step_that_failed(server: ScriptedServer, tmp_path: Path) -> None:
    models = Model(fails_at=5), Model()
    for model, saved in zip(models, (None, tmp_path / "last.ckpt"), strict=True):
        often = ModelCheckpoint(tmp_path, every_n_train_steps=1, save_last=True)
        runs = trainer(tmp_path, callbacks=[often], enable_checkpointing=True, max_steps=8)
        with pytest.raises(RuntimeError, match="the training failed") if model.fails_at else nullcontext():
            runs.fit(model, datamodule=data_module(server), ckpt_path=saved)
    assert [model.trained for model in models] == [[0, 1, 2, 3, 4], [5, 6, 7]]


def test_a_trainer_stops_at_the_last_step(server: ScriptedServer, tmp_path: Path) -> None:
    model = Model()
    runs = trainer(tmp_path, max_epochs=50, limit_train_batches=2)
    runs.fit(model, datamodule=data_module(server, start=3, stop=8))
    assert (model.trained, runs.current_epoch) == ([3, 4, 5, 6, 7], 3)


def test_every_epoch_and_every_fit_goes_on_at_the_next_step(server: ScriptedServer, tmp_path: Path) -> None:
    model, data = Model(), data_module(server, stop=9)
    runs = trainer(tmp_path, max_epochs=2, limit_train_batches=2)
    runs.fit(model, datamodule=data)
    trainer(tmp_path, max_epochs=1, limit_train_batches=3).fit(model, datamodule=data)
    assert model.trained == list(range(7))


@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`, callbacks")
def test_the_gradients_and_the_validation_of_a_last_short_epoch_are_not_lost(
    server: ScriptedServer, tmp_path: Path
) -> None:
    saves = ModelCheckpoint(tmp_path, every_n_epochs=2, save_top_k=-1, filename="saved")
    model, again = ValidatedModel(), ValidatedModel()
    common: dict[str, Any] = {
        "max_epochs": -1, "limit_train_batches": 2, "accumulate_grad_batches": 2, "num_sanity_val_steps": 0,
    }  # fmt: skip
    runs = trainer(tmp_path, callbacks=[saves], enable_checkpointing=True, **common)
    runs.fit(model, datamodule=data_module(server, stop=5, val_steps=1))
    assert (model.trained, runs.global_step, model.validated) == ([0, 1, 2, 3, 4], 3, [0, 0, 0])
    runs = trainer(tmp_path, **common)
    runs.fit(again, datamodule=data_module(server, stop=5, val_steps=1), ckpt_path=tmp_path / "saved.ckpt")
    assert (again.trained, runs.global_step, again.validated) == ([4], 3, [0])


def test_the_gradients_and_the_validation_of_another_fit_are_not_lost(server: ScriptedServer, tmp_path: Path) -> None:
    model, data = ValidatedModel(), data_module(server, stop=4, val_steps=1)
    trainer(tmp_path, max_steps=1, num_sanity_val_steps=0).fit(model, datamodule=data)
    runs = trainer(tmp_path, max_epochs=-1, num_sanity_val_steps=0, accumulate_grad_batches=2)
    runs.fit(model, datamodule=data)
    assert (model.trained, runs.global_step, model.validated) == ([0, 1, 2, 3], 2, [0])


def test_a_training_resumes_after_its_last_step_only_with_a_later_stop(server: ScriptedServer, tmp_path: Path) -> None:
    saved, trained = None, []
    for stop in (3, 3, 5):  # the last epoch is a short one
        model = Model()
        runs = trainer(tmp_path, max_epochs=-1, limit_train_batches=2)
        runs.fit(model, datamodule=data_module(server, stop=stop), ckpt_path=saved)
        saved = tmp_path / "saved.ckpt"
        runs.save_checkpoint(saved)
        trained.append(model.trained)
    assert trained == [[0, 1, 2], [], [3, 4]]


@pytest.mark.filterwarnings("ignore:You requested to overfit")
def test_overfitting_repeats_the_first_steps(server: ScriptedServer, tmp_path: Path) -> None:
    model = Model()
    trainer(tmp_path, max_epochs=3, overfit_batches=2).fit(model, datamodule=data_module(server, start=1, stop=3))
    assert model.trained == [1, 2] * 3


class ImpatientModel(Model):
    """Ends an epoch at step 2, before it trains it."""

    def on_train_batch_start(self, batch: Any, _batch_idx: int) -> int | None:
        return -1 if (batch.step, self.current_epoch) == (2, 0) else None


def test_a_batch_that_lightning_has_fetched_and_dropped_comes_again(server: ScriptedServer, tmp_path: Path) -> None:
    model = ImpatientModel()
    trainer(tmp_path, max_steps=5).fit(model, datamodule=data_module(server))
    assert model.keys == keys_of(server, 0, 5)


def test_a_checkpoint_without_the_state_of_the_data_is_logged(
    server: ScriptedServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runs = trainer(tmp_path, max_steps=1)
    with load(server.url) as batches:
        runs.fit(Model(), batches)
    runs.save_checkpoint(saved := tmp_path / "saved.ckpt")
    model = Model()
    trainer(tmp_path, max_steps=2).fit(model, datamodule=data_module(server, start=1), ckpt_path=saved)
    assert model.trained == [1]
    [line] = [record.message for record in caplog.records if record.name == "saccade_client"]
    assert line.endswith("no state of a data module SamplerDataModule: training begins at step 1 of its data")


def test_batches_are_rendered_on_the_gpu_of_a_rank(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = torch.device("cuda", 1)
    one = SimpleNamespace(
        distributed_sampler_kwargs={"rank": 1, "num_replicas": 2}, strategy=SimpleNamespace(root_device=gpu)
    )
    data = data_module(server)
    monkeypatch.setattr(data, "trainer", one)
    asked: Any = data._on_this_rank(partial(dict))  # type: ignore[arg-type] # what the loader would be asked for
    assert asked == {"rank": 1, "world_size": 2, "device": gpu}


def test_a_data_module_can_be_sent_to_processes(server: ScriptedServer) -> None:
    copy = pickle.loads(pickle.dumps(data_module(server, val_steps=1)))
    assert type(copy.val_dataloader.__self__) is SamplerDataModule


def test_accumulated_steps_are_counted_one_by_one(server: ScriptedServer, tmp_path: Path) -> None:
    first, second = Model(), Model()
    runs = trainer(tmp_path, max_steps=2, accumulate_grad_batches=3)
    runs.fit(first, datamodule=data_module(server))
    saved = tmp_path / "saved.ckpt"
    runs.save_checkpoint(saved)
    runs = trainer(tmp_path, max_steps=3, accumulate_grad_batches=3)
    runs.fit(second, datamodule=data_module(server), ckpt_path=saved)
    assert (first.trained, second.trained, runs.global_step) == ([0, 1, 2, 3, 4, 5], [6, 7, 8], 3)


def test_each_validation_gets_the_same_steps_and_takes_none_of_the_training(
    server: ScriptedServer, tmp_path: Path
) -> None:
    model = ValidatedModel()
    runs = trainer(tmp_path, max_steps=4, val_check_interval=2, check_val_every_n_epoch=None, num_sanity_val_steps=1)
    runs.fit(model, datamodule=data_module(server, val_steps=2, val_dataset="val"))
    assert (model.trained, model.validated) == ([0, 1, 2, 3], [0, 0, 1, 0, 1])
    asked = [(request.params["augment"], request.params.get("dataset")) for request in server.asked_at("/v1/stream")]
    assert sorted(asked[-4:], key=str) == [("false", "val")] * 3 + [("true", None)]


class Processes(Callback):
    """Remembers how many loader's processes ran at each training step."""

    def __init__(self) -> None:
        self.counts: list[int] = []

    def on_train_batch_start(self, *_args: Any) -> None:
        children = psutil.Process().children()
        self.counts.append(sum("client.loading.worker.main" in child.cmdline() for child in children))


def test_no_validation_that_ended_early_keeps_its_process(server: ScriptedServer, tmp_path: Path) -> None:
    model, processes = ValidatedModel(), Processes()
    runs = trainer(
        tmp_path, max_steps=3, num_sanity_val_steps=1, limit_val_batches=2, val_check_interval=1,
        check_val_every_n_epoch=None, callbacks=[processes],
    )  # fmt: skip
    runs.fit(model, datamodule=data_module(server, val_steps=5))
    assert (model.validated, processes.counts) == ([0, *[0, 1] * 3], [1, 1, 1])


def test_validating_a_checkpoint_does_not_move_the_training(server: ScriptedServer, tmp_path: Path) -> None:
    runs = trainer(tmp_path, max_steps=2)
    runs.fit(Model(), datamodule=data_module(server))
    runs.save_checkpoint(saved := tmp_path / "saved.ckpt")
    model, data = ValidatedModel(), data_module(server, val_steps=1)
    trainer(tmp_path).validate(model, datamodule=data, ckpt_path=saved, verbose=False)
    trainer(tmp_path, max_steps=1, num_sanity_val_steps=0).fit(model, datamodule=data)
    assert (model.validated, model.trained) == ([0], [0])


@pytest.mark.parametrize("given", [{"rank": 3}, {"world_size": 4}, {"device": "cuda"}])
def test_rank_and_device_are_those_of_the_trainer(server: ScriptedServer, given: dict[str, Any]) -> None:
    with pytest.raises(RequestRefusedError, match="expected none, because that of the trainer is used"):
        data_module(server, **given)


def test_a_checkpoint_of_another_stream_is_refused(server: ScriptedServer, tmp_path: Path) -> None:
    runs = trainer(tmp_path, max_steps=1)
    runs.fit(Model(), datamodule=data_module(server))
    saved = tmp_path / "saved.ckpt"
    runs.save_checkpoint(saved)
    advice = "as in this data module; use that of the checkpoint, or train without ckpt_path"
    with pytest.raises(RequestRefusedError, match=f"state.seed = 7: expected 8, {advice}"):
        trainer(tmp_path, max_steps=2).fit(Model(), datamodule=data_module(server, seed=8), ckpt_path=saved)


def test_arguments_are_checked_when_the_module_is_made(server: ScriptedServer) -> None:
    for wrong in ({"val_steps": -1}, {"batch_size": 0}, {"ahead": 0}, {"stop": -1}):
        with pytest.raises(RequestRefusedError, match=next(iter(wrong))):
            data_module(server, **wrong)


def test_an_argument_that_does_not_exist_is_one_of_the_data_module(server: ScriptedServer) -> None:
    with pytest.raises(TypeError, match=r"SamplerDataModule\(\) got an unexpected keyword argument 'val_step'"):
        data_module(server, val_step=3)


def test_a_wrong_name_for_validation_is_refused_before_the_training(server: ScriptedServer, tmp_path: Path) -> None:
    model = ValidatedModel()
    runs = trainer(tmp_path, max_steps=2, num_sanity_val_steps=0)  # as when it resumes
    with pytest.raises(RequestRefusedError, match="no such dataset") as caught:
        runs.fit(model, datamodule=data_module(server, val_steps=1, val_dataset="test"))
    assert "val_dataset = 'test'; without val_dataset" in caught.value.__notes__[0]
    assert model.trained == []


@pytest.mark.filterwarnings("ignore")  # it shows no progress bar, no logger and so on
def test_the_example_of_the_documentation_runs(
    server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    [block] = [block for block in blocks("python") if "saccade_sampler.lightning" in block.code]
    code = (
        block.code.replace(HOST, server.url)
        .replace("batch_size=48", "batch_size=6")
        .replace("val_steps=20", "val_steps=1")
    )
    for stop in ("2", "3"):
        names: dict[str, Any] = {"__name__": "example"}
        exec(compile(code.replace("500_000", stop).replace("5_000", "1"), block.page, "exec"), names)
    runs = names["trainer"]
    assert (runs.global_step, runs.current_epoch, names["data"].state_dict()["step"]) == (3, 3, 3)
    assert {"loss", "val_loss"} <= set(runs.logged_metrics)


@pytest.mark.parametrize("device", ["numpy", "cpu"])
def test_a_trainer_takes_a_loader(server: ScriptedServer, tmp_path: Path, device: str) -> None:
    model = Model()
    with load(server.url, stop=3, device=device, layout="compact") as batches:
        trainer(tmp_path, max_epochs=1).fit(model, batches)
    assert model.keys == keys_of(server, 0, 3)


@pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers")
@pytest.mark.filterwarnings("ignore:Your `IterableDataset` has `__len__` defined")
def test_a_trainer_takes_a_data_loader(server: ScriptedServer, tmp_path: Path) -> None:
    batches = torch.utils.data.DataLoader(load(server.url, stop=3).dataset(), batch_size=None)
    model = Model()
    trainer(tmp_path, max_epochs=1).fit(model, batches)
    assert model.keys == keys_of(server, 0, 3)


def test_without_lightning_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("lightning", "lightning.pytorch", "pytorch_lightning"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "saccade_sampler.lightning")
    with pytest.raises(MissingExtraError, match=r"pip install 'saccade-sampler\[lightning\]'"):
        importlib.import_module("saccade_sampler.lightning")
