"""Batches in the place of the queues of CornerNet-Lite's train.py."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from client import ClientError, RequestRefusedError, SamplerClient, ServerUnavailableError
from saccade_sampler.cornernet_lite import BatchQueue, TrainingData
from tests.support.docs import blocks
from tests.support.live_server import LiveServer, live_server
from tests.support.scenes import write_scenes
from tests.support.scripted_server import SMALL_SACCADE, ScriptedServer, scripted

torch = pytest.importorskip("torch", reason="the torch extra is not installed: make test TORCH=1")

SEED = 7
QUICK: dict[str, Any] = {"seed": SEED, "attempts": 2, "max_wait": 0.05, "log_every": None, "layout": "dense"}

CONFIG: dict[str, Any] = {
    "system": {"sampling_function": "cornernet_saccade", "batch_size": 3},
    "db": {
        "rand_scales": None,
        "rand_scale_min": 0.5,
        "rand_scale_max": 1.1,
        "rand_scale_step": 0.1,
        "gaussian_bump": True,
        "gaussian_iou": 0.5,
        "input_size": [63, 63],
        "output_sizes": [[16, 16]],
        "max_objects": 6,
        "att_sizes": [[4, 4], [8, 8]],
        "att_ratios": [16, 8],
        "att_ranges": [[24, 63], [0, 24]],
        "categories": 3,
        "top_k": 12,
    },
}
"""That of the server, with a key that only evaluation reads."""


@dataclass
class SystemConfig:
    """That of train.py."""

    batch_size: int = 3
    max_iter: int = 6
    val_iter: int = 2


@dataclass
class Arguments:
    """Those of train.py."""

    cfg_file: str = "Small"
    start_iter: int = 0
    distributed: bool = False
    rank: int = 0
    world_size: int = -1


@pytest.fixture(scope="module")
def small() -> Iterator[ScriptedServer]:
    """A server whose config is that of the file."""
    with scripted(SMALL_SACCADE) as running:
        yield running


@pytest.fixture(scope="module")
def two_datasets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server of this config whose settings file has `val` first."""
    folder = tmp_path_factory.mktemp("two_datasets")
    config = folder / "Small.json"
    config.write_text(json.dumps(CONFIG))
    lines = [f"config = '{config}'", "keep_crowd = true"]
    for name in ("val", "train"):
        annotations, images = write_scenes(folder / name)
        lines += [f"[datasets.{name}]", f"annotations = '{annotations}'", f"images = '{images}'"]
    settings = folder / "settings.toml"
    settings.write_text("\n".join(lines))
    with live_server(folder, settings=settings, cache_dir=folder / "cache", workers=1) as running:
        yield running


@pytest.fixture(autouse=True)
def _folder_of_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working folder of train.py, which reads its config file there."""
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "Small.json").write_text(json.dumps(CONFIG))
    monkeypatch.chdir(tmp_path)


def expected(server: ScriptedServer | LiveServer, step: int, dataset: str | None = None, **shard: Any) -> TrainingData:
    """Return what train.py gets of a step."""
    with SamplerClient(server.url, dataset=dataset) as plain:
        batch = plain.batch(seed=SEED, step=step, **{"batch_size": 3, **shard}).torch()
    return {"xs": batch.xs, "ys": batch.ys}


def same(one: Any, other: Any) -> bool:
    """Return whether two tensors, or lists of them, are the same."""
    if isinstance(one, list):
        return len(one) == len(other) and all(same(*pair) for pair in zip(one, other, strict=True))
    return one.dtype == other.dtype and bool(torch.equal(one, other))


def same_data(one: TrainingData, other: TrainingData) -> bool:
    return list(one) == list(other) == ["xs", "ys"] and same(one["xs"], other["xs"]) and same(one["ys"], other["ys"])


def test_training_gets_the_steps_from_the_iteration_it_resumes_at(small: ScriptedServer) -> None:
    queue = BatchQueue.training(SystemConfig(), Arguments(start_iter=4), url=small.url, **QUICK)
    for step in (4, 5):
        assert same_data(queue.get(block=True), expected(small, step))
    with pytest.raises(ClientError, match=r"there are no more batches: they end before step 6$"):
        queue.get(block=True)
    queue.terminate()


def test_three_lines_that_replace_two_are_all_that_train_needs(
    two_datasets: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    [block] = [block for block in blocks("python") if block.page == "docs/cornernet-lite.md"]
    lines = [line for line in block.code.splitlines() if line]
    assert len(lines) == 3
    monkeypatch.setenv("SAMPLER_URL", two_datasets.url)
    names: dict[str, Any] = {"system_config": SystemConfig(), "args": Arguments(start_iter=2)}
    for line in lines:
        exec(line, names)
    training, validation = names["pinned_training_queue"].get(block=True), names["pinned_validation_queue"].get()
    for task in names["training_tasks"] + names["validation_tasks"]:
        task.terminate()
    assert same_data(training, expected(two_datasets, 2, "train"))
    assert same_data(validation, expected(two_datasets, 1, "val"))


def test_training_past_the_last_iteration_has_no_batches(small: ScriptedServer) -> None:
    queue = BatchQueue.training(SystemConfig(max_iter=6), Arguments(start_iter=9), url=small.url, **QUICK)
    with pytest.raises(ClientError, match="there are no more batches"):
        queue.get()
    queue.terminate()


@pytest.mark.parametrize(("start_iter", "step"), [(0, 0), (5, 2)])
def test_validation_goes_on_after_the_validations_of_earlier_iterations(
    small: ScriptedServer, start_iter: int, step: int
) -> None:
    queue = BatchQueue.validation(
        SystemConfig(val_iter=2), Arguments(start_iter=start_iter), url=small.url, dataset=None, **QUICK
    )
    assert same_data(queue.get(block=True), expected(small, step))
    assert same_data(queue.get(block=True), expected(small, step + 1))
    queue.terminate()


QUEUES = {"train": BatchQueue.training, "val": BatchQueue.validation}
"""What makes the queue of each dataset."""


@pytest.mark.parametrize("name", QUEUES)
def test_each_queue_has_the_dataset_of_its_name_in_any_order_of_the_settings(
    two_datasets: LiveServer, name: str
) -> None:
    queue = QUEUES[name](SystemConfig(), Arguments(), url=two_datasets.url, **QUICK)
    batch = queue.get()
    queue.terminate()
    assert same_data(batch, expected(two_datasets, 0, name))


def test_the_server_lists_the_keys_for_evaluation_once(two_datasets: LiveServer) -> None:
    [line] = [line for line in two_datasets.log.splitlines() if "top_k" in line]
    assert " INFO " in line


def test_a_dataset_that_the_server_does_not_have_is_refused_with_the_names_of_those_it_has(
    two_datasets: LiveServer,
) -> None:
    message = r"no dataset named minival: give it \[datasets.minival\] .* or pass dataset= with one of val, train"
    with pytest.raises(ClientError, match=message):
        BatchQueue.validation(SystemConfig(), Arguments(), url=two_datasets.url, dataset="minival", **QUICK)


def test_a_server_with_other_names_does_not_train_with_the_first() -> None:
    with scripted(SMALL_SACCADE) as server:
        server.spec = replace(server.spec, dataset_name="coco", datasets=("coco", "val"))
        with pytest.raises(ClientError, match=r"no dataset named train: .* pass dataset= with one of coco, val"):
            BatchQueue.training(SystemConfig(), Arguments(), url=server.url, **QUICK)


def test_a_server_whose_only_dataset_has_no_name_has_none_for_validation(small: ScriptedServer) -> None:
    with pytest.raises(ClientError, match=r"named val: .*\[datasets.val\] .* dataset= with None, for its only dataset"):
        BatchQueue.validation(SystemConfig(), Arguments(), url=small.url, **QUICK)


def test_the_digest_of_the_chosen_dataset_can_be_given(small: ScriptedServer) -> None:
    queue = BatchQueue.training(SystemConfig(), Arguments(), url=small.url, digest=small.spec.digest, **QUICK)
    assert same_data(queue.get(), expected(small, 0))
    queue.terminate()


def test_validation_without_random_decisions(small: ScriptedServer) -> None:
    queue = BatchQueue.validation(SystemConfig(), Arguments(), dataset=None, augment=False, url=small.url, **QUICK)
    assert same_data(queue.get(), expected(small, 0, augment=False))
    assert not same_data(expected(small, 0, augment=False), expected(small, 0))
    queue.terminate()


def test_the_processes_of_a_distributed_training_share_steps_of_their_batch_sizes_together(
    small: ScriptedServer,
) -> None:
    for rank in range(2):
        args = Arguments(distributed=True, rank=rank, world_size=2)
        queue = BatchQueue.training(SystemConfig(), args, url=small.url, **QUICK)
        batch = queue.get(block=True)
        queue.terminate()
        assert same_data(batch, expected(small, 0, batch_size=6, rank=rank, world_size=2))
        assert [len(tensor) for tensor in batch["xs"]] == [3]


def test_one_process_gets_whole_batches_that_can_be_cut_into_chunks_for_its_gpus(small: ScriptedServer) -> None:
    queue = BatchQueue.training(SystemConfig(batch_size=5), Arguments(), url=small.url, **QUICK)
    batch = queue.get(block=True)
    queue.terminate()
    *arrays, attentions = batch["ys"]
    for tensor in (*batch["xs"], *arrays, *attentions):
        assert tensor.device.type == "cpu"
        assert [len(chunk) for chunk in tensor.split([2, 3])] == [2, 3]


def test_tensors_are_pinned_if_there_is_a_gpu(small: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    pinned: list[int] = []

    def pin_memory(tensor: Any) -> Any:
        copy = tensor.clone()
        pinned.append(id(copy))
        return copy

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.Tensor, "pin_memory", pin_memory)
    queue = BatchQueue.training(SystemConfig(), Arguments(), url=small.url, **QUICK)
    batch = queue.get(block=True)
    queue.terminate()
    *arrays, attentions = batch["ys"]
    assert {id(tensor) for tensor in (*batch["xs"], *arrays, *attentions)} <= set(pinned)
    assert same_data(batch, expected(small, 0))


def test_rendering_on_the_gpu_needs_one(small: ScriptedServer) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    quick = {name: value for name, value in QUICK.items() if name != "layout"}
    with pytest.raises(RequestRefusedError, match="device = 'cuda': expected a GPU that PyTorch sees here"):
        BatchQueue.training(SystemConfig(), Arguments(), on_gpu=True, url=small.url, **quick)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gaussian_iou": 0.3}, "gaussian_iou is 0.5 on the server and 0.3 in the file"),
        ({"categories": 80}, "categories is 3 on the server and 80 in the file"),
        ({"output_sizes": [[32, 32]]}, r"output_sizes\[0\] is \[16, 16\] on the server and \[32, 32\] in the file"),
        ({"att_ranges": [[24, 63], [0, 20]]}, r"config: att_ranges is \[\[24, 63\], \[0, 24\]\] on the server"),
        ({"rand_scale_max": 0.95}, r"rand_scales is \[0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1\] on the server"),
    ],
)
def test_a_server_with_another_config_than_the_file_is_refused(
    small: ScriptedServer, change: dict[str, Any], message: str
) -> None:
    changed = {**CONFIG, "db": {**CONFIG["db"], **change}}
    Path("configs/Small.json").write_text(json.dumps(changed))
    before = psutil.Process().children()
    with pytest.raises(ClientError, match=f"configs/Small.json: .*{message}.* start it with this file as its config"):
        BatchQueue.training(SystemConfig(), Arguments(), url=small.url, **QUICK)
    assert psutil.Process().children() == before


def test_a_config_without_a_number_of_categories_fits_any_server(small: ScriptedServer) -> None:
    db = {name: value for name, value in CONFIG["db"].items() if name != "categories"}
    Path("configs/Small.json").write_text(json.dumps({**CONFIG, "db": db}))
    queue = BatchQueue.training(SystemConfig(), Arguments(), url=small.url, **QUICK)
    assert same_data(queue.get(), expected(small, 0))
    queue.terminate()


def take(queue: BatchQueue, count: int) -> None:
    for _ in range(count):
        queue.get(block=True)


def test_errors_are_raised_by_get() -> None:
    with scripted(SMALL_SACCADE) as mortal:
        queue = BatchQueue.training(SystemConfig(max_iter=1000), Arguments(), url=mortal.url, **QUICK)
        assert queue.get()
    with pytest.raises(ServerUnavailableError):
        take(queue, 900)  # those that were received ahead come first
    queue.terminate()


def test_a_queue_always_waits_and_its_process_ends_with_terminate(small: ScriptedServer) -> None:
    before = set(psutil.Process().children())
    queue = BatchQueue.training(SystemConfig(), Arguments(), url=small.url, **QUICK)
    with pytest.raises(RequestRefusedError, match="block = False: expected True"):
        queue.get(block=False)
    queue.get()
    assert set(psutil.Process().children()) - before
    for _ in range(2):
        queue.terminate()
    assert set(psutil.Process().children()) - before == set()
    with pytest.raises(ClientError, match="closed"):
        queue.get()


OWN = {
    "device": ("cpu", "on_gpu=True gives tensors on the GPU"),
    "batch_size": (8, "it is that of the system config"),
    "rank": (0, "it is that of the arguments of train.py"),
    "world_size": (1, "it is that of the arguments of train.py"),
}


@pytest.mark.parametrize("make", [BatchQueue.training, BatchQueue.validation])
@pytest.mark.parametrize("name", OWN)
def test_what_a_queue_sets_itself_cannot_be_given(make: Any, name: str) -> None:
    value, reason = OWN[name]
    with pytest.raises(RequestRefusedError, match=f"{name} = {value!r}: expected no {name}: {reason}"):
        make(SystemConfig(), Arguments(), url="http://127.0.0.1:1", **QUICK, **{name: value})


def test_a_queue_that_stops_early_names_the_step_it_stops_before(small: ScriptedServer) -> None:
    queue = BatchQueue.training(SystemConfig(), Arguments(start_iter=1), stop=2, url=small.url, **QUICK)
    assert same_data(queue.get(), expected(small, 1))
    with pytest.raises(ClientError, match=r"there are no more batches: they end before step 2$"):
        queue.get()
    queue.terminate()


def test_without_a_url_the_error_names_the_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAMPLER_URL", raising=False)
    with pytest.raises(RequestRefusedError, match=r"^url = None: expected a URL .* in the variable SAMPLER_URL"):
        BatchQueue.training(SystemConfig(), Arguments(), seed=SEED)


@pytest.mark.parametrize("val_iter", [0, -1])
def test_validation_needs_an_interval(small: ScriptedServer, val_iter: int) -> None:
    with pytest.raises(RequestRefusedError, match=f"val_iter = {val_iter}: expected"):
        BatchQueue.validation(SystemConfig(val_iter=val_iter), Arguments(), url=small.url, **QUICK)
