"""Messages say what is wrong, where, and what to do."""

import json
import logging
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import client
from client import RequestRefusedError, SamplerClient, ServerUnavailableError
from service.errors.problems import expectation
from service.settings.load import SettingsError, load_settings
from tests.support import processes
from tests.support.coco_files import write_dataset
from tests.support.live_server import failure
from tests.support.processes import run_python
from tests.support.scripted_server import ScriptedServer, problem, scripted

NOBODY = "http://127.0.0.1:1"


@pytest.fixture
def small() -> Iterator[ScriptedServer]:
    with scripted() as running:
        yield running


def run(module: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    return run_python("-m", module, *arguments, check=False)


# --- retries ---


def test_each_attempt_but_the_last_is_logged_with_its_cause(caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.INFO),
        SamplerClient(NOBODY, attempts=3, max_wait=0.01) as there,
        pytest.raises(ServerUnavailableError, match=r"refused: expected a server that runs at this host and port"),
    ):
        there.spec()
    told = [(record.name, record.levelname, record.getMessage()) for record in caplog.records]
    assert [line[:2] for line in told] == [("saccade_client", "WARNING")] * 2
    assert [message.split(": ")[0] for _, _, message in told] == ["attempt 1 of 3", "attempt 2 of 3"]
    assert all("refused" in message and message.endswith("trying again") for _, _, message in told)


def test_retries_outside_the_client_are_logged_by_stamina_as_usual(caplog: pytest.LogCaptureFixture) -> None:
    with SamplerClient(NOBODY), caplog.at_level(logging.INFO):
        logging.getLogger("stamina").warning("retry", extra={"stamina.caused_by": "OSError()"})
        logging.getLogger("stamina").warning("plain")
    assert [record.message for record in caplog.records] == ["retry", "plain"]


def test_a_server_of_another_kind_is_recognised() -> None:
    with scripted() as server, SamplerClient(server.url) as there:
        server.script("/v1/spec", problem(404, "Not Found"))
        with pytest.raises(RequestRefusedError, match=r"status 404: .*: expected the address of a sampling server"):
            there.spec()


# --- devices ---


@pytest.mark.parametrize("device", ["cudo", "cuda:99", 1.5])
def test_a_missing_device_is_refused_before_anything_starts(device: Any) -> None:
    pytest.importorskip("torch", reason="the torch extra is not installed: make test TORCH=1")
    with pytest.raises(RequestRefusedError) as caught:
        client.loader(NOBODY, seed=7, batch_size=4, device=device)
    assert caught.value.errors[0]["field"] == "device"


# --- repr ---


def test_the_repr_of_a_batch_is_one_line(small: ScriptedServer) -> None:
    with SamplerClient(small.url) as there:
        batch = there.batch(indices=[3, 1], seed=7)
        stepped = there.batch(seed=7, step=4, batch_size=2)
    assert repr(batch) == f"<Batch: 2 samples, seed 7, by index; images float32 {batch.images.shape}, 12 arrays>"
    assert repr(stepped).startswith("<Batch: 2 samples, seed 7, step 4; ")


def test_the_repr_of_a_batch_of_tensors_is_one_line(small: ScriptedServer) -> None:
    pytest.importorskip("torch", reason="the torch extra is not installed: make test TORCH=1")
    with SamplerClient(small.url) as there:
        shown = repr(there.batch(indices=[3, 1], seed=7).torch())
    assert shown.startswith("<TorchBatch: 2 samples, seed 7, by index; images torch.float32 (2, 3, ")
    assert "\n" not in shown


def test_the_repr_of_a_loader_has_its_rank_and_next_step() -> None:
    shown = repr(client.loader(NOBODY, seed=7, batch_size=8, start=3, rank=1, world_size=2))
    assert shown == f"<Loader: {NOBODY}, seed 7, rank 1 of 2, 8 samples a step, next step 3>"


# --- commands ---


@pytest.mark.parametrize("module", ["sampler", "client"])
def test_completion_is_for_the_installed_command(module: str) -> None:
    # Run by bash, because the command prints the code for the shell that it finds among its parents.
    line = f"{shlex.quote(sys.executable)} -m {module} --show-completion; exit"
    shown = processes.run("/bin/bash", "-c", line).stdout
    assert f"saccade-{module}" in shown
    assert "python -m" not in shown


def test_fetch_checks_its_output_folder_before_it_connects(tmp_path: Path) -> None:
    with scripted() as server:
        done = run("client", "fetch", server.url, "--indices", 3, "--out", tmp_path / "no" / "b.npz")
        assert server.asked == []
    assert done.returncode == 2
    assert f"expected a file in a folder that exists ({tmp_path / 'no'}: No such file or folder)" in done.stderr


@pytest.mark.parametrize("names", [[], ["other.jpg"]])
def test_verify_shows_what_is_in_the_image_folder_if_no_image_is_found(names: list[str], tmp_path: Path) -> None:
    annotations, images = write_dataset(tmp_path)
    for file in images.iterdir():
        file.unlink()
    for name in names:
        (images / name).write_text("")
    done = run("sampler", "verify", "--annotations", annotations, "--images", images, "--cache-dir", tmp_path)
    assert done.returncode == 1
    assert f"no image was found: {images} contains {'other.jpg' if names else 'nothing'}; " in done.stdout


def test_replay_checks_the_image_folder_first(tmp_path: Path) -> None:
    annotations, _ = write_dataset(tmp_path)
    recorded = run("sampler", "recipe", "--annotations", annotations, "--index", 0, "--cache-dir", tmp_path)
    (tmp_path / "case.json").write_text(recorded.stdout)
    done = run("sampler", "replay", tmp_path / "case.json", "--images", tmp_path / "no", "--out", tmp_path / "out")
    assert (done.returncode, done.stderr) == (2, f"error: {tmp_path / 'no'}: image folder does not exist\n")


# --- the server ---


@pytest.mark.parametrize("name", ["gone.jpg", "x" * 300], ids=["no such file", "a name that no file can have"])
def test_a_server_with_a_wrong_image_folder_does_not_start(tmp_path: Path, name: str) -> None:
    annotations, images = write_dataset(tmp_path)
    content = json.loads(annotations.read_text())
    for image in content["images"]:
        image["file_name"] = name
    annotations.write_text(json.dumps(content))
    settings = {"annotations": annotations, "images": images, "cache_dir": tmp_path / "c", "workers": 1}
    line = failure(tmp_path, **settings)
    assert "none of 3 sampled images" in line
    assert f"the first is {images}/{name}" in line
    assert "Set SAMPLER_IMAGES to the folder" in line or "run `saccade-sampler verify`" in line


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("Input should be a valid integer", "a valid integer"),
        ("Input should be greater than or equal to 1", "a number greater than or equal to 1"),
        ("Input should be 'compact', 'sparse' or 'dense'", "'compact', 'sparse' or 'dense'"),
        ("Value error, a list of integers", "a list of integers"),
    ],
)
def test_expected_values_read_as_part_of_a_sentence(message: str, said: str) -> None:
    assert expectation(message) == said


def test_a_setting_out_of_range_names_the_expected_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPLER_WORKERS", "0")
    with pytest.raises(SettingsError, match=r"^SAMPLER_WORKERS = '0': expected a number greater than or equal to 1$"):
        load_settings()
