"""The examples that read batches without a training loop."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from sampler.arrays import Layout
from tests.examples.catalogue import FOLDER, NOTEBOOK, REQUESTS, WIRE, Run
from tests.support.live_server import LiveServer
from tests.support.processes import run
from tests.support.wire_client import get_spec, one_batch

STEPS, BATCH_SIZE = 3, 4


def test_the_asyncio_example_counts_the_boxes_of_all_steps(example_server: LiveServer, tmp_path: Path) -> None:
    printed = run(*REQUESTS.command(Run(example_server.url, tmp_path, STEPS, BATCH_SIZE)), coverage=False).stdout
    steps = [one_batch(example_server.url, f"seed=7&step={step}&batch_size={BATCH_SIZE}") for step in range(STEPS)]
    found = [int(row[4]) for batch in steps for sample in batch.samples for row in sample.arrays["boxes"]]
    rows = re.findall(r"^  (.{20}) +(\d+) +[\d.]+ per sample$", printed, re.MULTILINE)
    names = get_spec(example_server.url).category_names
    assert {name.strip(): int(count) for name, count in rows} == {
        names[category - 1]: found.count(category) for category in set(found)
    }
    assert f"{STEPS * BATCH_SIZE} samples, " in printed
    assert f", {len(found)} objects:" in printed


@pytest.mark.skipif(bool(NOTEBOOK.missing), reason=f"not installed: {NOTEBOOK.missing}")
def test_every_cell_of_the_notebook_runs(example_server: LiveServer, tmp_path: Path) -> None:
    printed = run(*NOTEBOOK.command(Run(example_server.url, tmp_path, STEPS)), coverage=False).stdout
    assert printed.count("displays text/html") == 1  # a batch as the last line of a cell
    assert printed.count("image/png") == 2
    assert "attentions_2" in printed


def test_the_notebook_has_no_output() -> None:
    cells = json.loads((FOLDER / NOTEBOOK.file).read_text(encoding="utf-8"))["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


@pytest.mark.skipif(bool(WIRE.missing), reason="Node.js is not installed")
@pytest.mark.parametrize("wrong", [(), ("http://127.0.0.1:1", "--steps", "x"), ("http://127.0.0.1:1", "--steps", "0")])
def test_the_reader_in_javascript_shows_how_it_is_used(wrong: tuple[str, ...]) -> None:
    ended = run(*WIRE.program, *wrong, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith("usage: node wire_reader.mjs URL")


@pytest.mark.skipif(bool(WIRE.missing), reason="Node.js is not installed")
@pytest.mark.parametrize("layout", ["dense", "sparse", "compact"])
def test_the_reader_in_javascript_reads_the_arrays_that_the_client_reads(
    layout: Layout, example_server: LiveServer, tmp_path: Path
) -> None:
    command = WIRE.command(Run(f"{example_server.url}/", tmp_path, STEPS, BATCH_SIZE))
    printed = run(*command, "--layout", layout).stdout
    steps = [
        one_batch(example_server.url, f"seed=7&step={step}&batch_size={BATCH_SIZE}", layout) for step in range(STEPS)
    ]
    for step, batch in enumerate(steps):
        images = ", ".join(str(sample.key.index) for sample in batch.samples)
        assert f"step {step}: {BATCH_SIZE} samples of images {images}\n" in printed
    rows = [re.split(r" *│ *", line.strip("│ "))[1:] for line in printed.splitlines() if re.match(r"│ \d+ ", line)]
    assert [[cell.strip("'") for cell in row[:3]] for row in rows] == [
        [name, array.dtype.str, " × ".join(map(str, array.shape))] for name, array in steps[0].samples[0].arrays.items()
    ]
    for row, array in zip(rows, steps[0].samples[0].arrays.values(), strict=True):
        if array.size:
            assert [float(cell.rstrip("n")) for cell in row[3:]] == [float(np.min(array)), float(np.max(array))]


@pytest.mark.skipif(bool(WIRE.missing), reason="Node.js is not installed")
def test_the_reader_in_javascript_says_what_a_server_refuses(example_server: LiveServer, tmp_path: Path) -> None:
    done = run(*WIRE.command(Run(example_server.url, tmp_path, steps=1, batch_size=0)), check=False)
    assert done.returncode == 1
    assert "422 batch_size = 0: expected a number greater than or equal to 1" in done.stderr
