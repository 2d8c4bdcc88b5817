"""A training under torchrun that goes on with other numbers of processes."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from client import Batch, SamplerClient
from tests.support.loading import STREAM
from tests.support.scripted_server import scripted
from tests.support.torchrun import torchrun

TRAINING = """
import json, sys
from pathlib import Path
import torch.distributed as distributed
import client
from tests.client.loading.test_elastic_training import samples_of

url, folder, last = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
distributed.init_process_group("gloo")
state, rank = folder / "state.json", distributed.get_rank()
batches = client.loader(url, seed=7, batch_size=6, log_every=None, layout="dense")
if state.exists():
    batches.load_state_dict(json.loads(state.read_text()))
loaded = {}
with batches:
    while batches.state_dict()["step"] < last:
        batch = next(batches)
        loaded[batch.step] = samples_of(batch)
distributed.barrier()  # all ranks have loaded the state
if rank == 0:
    state.write_text(json.dumps(batches.state_dict()))
(folder / f"until-{last}-rank-{rank}.json").write_text(json.dumps(loaded))
distributed.destroy_process_group()
"""
"""Trains up to a step that is given, from the state of the training before, if there was one."""


def samples_of(batch: Batch[Any]) -> list[list[Any]]:
    """Return key and digest of the arrays of each sample."""
    contents = [b"".join(array[row].tobytes() for array in batch.arrays.values()) for row in range(len(batch))]
    return [
        [key.epoch, key.index, hashlib.sha256(content).hexdigest()]
        for key, content in zip(batch.keys, contents, strict=True)
    ]


@pytest.mark.timeout(480)  # three trainings of several processes
def test_every_step_comes_once_from_two_then_one_then_three_processes(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    script = tmp_path / "training.py"
    script.write_text(TRAINING)
    loaded: dict[int, list[Any]] = {}
    with scripted() as server:
        for processes, last in ((2, 3), (1, 5), (3, 8)):
            done = torchrun(processes, script, server.url, tmp_path, last)
            assert f"rank 0 of {processes}, from torchrun's variables RANK and WORLD_SIZE" in done.stderr
            ranks = [tmp_path / f"until-{last}-rank-{rank}.json" for rank in range(processes)]
            parts = [json.loads(rank.read_text()) for rank in ranks]
            for step in map(int, parts[0]):
                assert step not in loaded
                loaded[step] = [sample for part in parts for sample in part[str(step)]]
        with SamplerClient(server.url) as client:
            alone = {batch.step: samples_of(batch) for batch in client.stream(stop=8, layout="dense", **STREAM)}
    assert loaded == alone
