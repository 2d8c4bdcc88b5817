"""The training examples train, and resume as if they had not been interrupted."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from client import SamplerClient
from tests.examples.catalogue import ACCELERATE, DISTRIBUTED, FOLDER, LIGHTNING, PLAIN, QUIET, VALIDATION, Example, Run
from tests.examples.conftest import VALIDATED
from tests.support.live_server import LiveServer
from tests.support.processes import run

BEFORE, STEPS, BATCH_SIZE = 3, 6, 5
LINE = re.compile(r"^step (\d+): loss ([\d.]+), [\d.]+ samples/s", re.MULTILINE)

torch = pytest.importorskip("torch", reason="the torch extra is not installed: make test TORCH=1")


def outputs(example: Example, given: Run) -> str:
    """Return what an example prints."""
    if example.missing:
        pytest.skip(f"not installed: {example.missing}")
    return run(*example.command(given), variables=QUIET, coverage=False).stdout


def losses_of(printed: str) -> dict[int, float]:
    """Return the losses that an example printed, by step."""
    return {int(step): float(loss) for step, loss in LINE.findall(printed)}


@pytest.fixture(scope="module")
def expected(example_server: LiveServer) -> dict[int, float]:
    """The losses of the steps, computed here without loader, framework and checkpoints."""
    module: Any = load(FOLDER / PLAIN.file)
    losses = {}
    with SamplerClient(example_server.url) as client:
        torch.manual_seed(7)
        network = module.make_network(client.spec())
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
        for step, batch in enumerate(client.stream(seed=7, stop=STEPS, batch_size=BATCH_SIZE), start=1):
            tensors = batch.torch()
            loss = module.loss_of(network(tensors.images), tensors.tl_heats)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses[step] = loss.item()
    return losses


def load(file: Path) -> object:
    """Return the module of an example."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("example", [PLAIN, DISTRIBUTED, LIGHTNING, ACCELERATE], ids=lambda example: example.file)
def test_a_training_that_is_started_twice_has_the_losses_of_one_that_was_not_interrupted(
    example: Example, example_server: LiveServer, expected: dict[int, float], tmp_path: Path
) -> None:
    first = outputs(example, Run(example_server.url, tmp_path, BEFORE, BATCH_SIZE))
    second = outputs(example, Run(example_server.url, tmp_path, STEPS, BATCH_SIZE))
    assert second.startswith(f"resumed at step {BEFORE}")
    assert list(losses_of(second)) == list(range(BEFORE + 1, STEPS + 1))
    assert losses_of(first) | losses_of(second) == pytest.approx(expected, abs=2e-3)


def test_one_script_trains_and_validates_with_one_server(example_server: LiveServer, tmp_path: Path) -> None:
    printed = outputs(VALIDATION, Run(example_server.url, tmp_path, 12, BATCH_SIZE))
    losses = losses_of(printed)
    assert list(losses) == [4, 8, 12]
    assert losses[12] < losses[4]
    validations = re.findall(r"^step (\d+): validation loss [\d.]+, \d of (\d) images with", printed, re.MULTILINE)
    assert validations == [(str(step), str(VALIDATED)) for step in losses]
