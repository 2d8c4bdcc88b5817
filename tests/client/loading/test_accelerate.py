"""Accelerate, which knows nothing of ranks that have their own batches."""

import json
from pathlib import Path

import pytest

from client import SamplerClient
from tests.support.loading import STREAM
from tests.support.processes import run_python
from tests.support.scripted_server import scripted
from tests.support.torchrun import torchrun

TRAINING = """
import json, sys
from pathlib import Path
import torch
from accelerate import Accelerator
from accelerate.utils import DataLoaderConfiguration
from torch.utils.data import DataLoader
import client

url, folder = sys.argv[1], Path(sys.argv[2])
accelerator = Accelerator(cpu=True)
options = {"seed": 7, "batch_size": 6, "stop": 4, "log_every": None}

def loader(device=accelerator.device):
    return client.loader(url, device=device, **options)

def prepared(batches):
    found = []
    try:
        for batch in accelerator.prepare(batches):
            found.append([batch.step, [key.index for key in batch.keys]])
    except client.RequestRefusedError as error:
        return str(error)
    return found

results = {"loader": prepared(loader()), "dispatched": prepared(DataLoader(loader().dataset(), batch_size=None))}
accelerator.dataloader_config.dispatch_batches = False
results["dispatch_batches=False"] = prepared(DataLoader(loader().dataset(), batch_size=None))

first, second = loader(), loader()
accelerator.register_for_checkpointing(first)
with first:
    next(first), next(first)
    accelerator.save_state(folder / "state", safe_serialization=False)
accelerator.wait_for_everyone()  # only the main process writes what is registered
resumed = Accelerator(cpu=True)
resumed.register_for_checkpointing(second)
resumed.load_state(folder / "state")
results["resumed"] = prepared(second)
(folder / f"rank-{accelerator.process_index}.json").write_text(json.dumps(results))
"""


@pytest.mark.parametrize("processes", [1, 2])
def test_a_loader_goes_through_accelerate_and_a_data_loader_says_what_to_do(tmp_path: Path, processes: int) -> None:
    pytest.importorskip("accelerate")
    script = tmp_path / "training.py"
    script.write_text(TRAINING)
    with scripted() as server:
        if processes == 1:
            run_python(script, server.url, tmp_path, coverage=False)
        else:
            torchrun(processes, script, server.url, tmp_path)
        for rank in range(processes):
            with SamplerClient(server.url) as client:
                stream = client.stream(stop=4, rank=rank, world_size=processes, layout="dense", **STREAM)
                expected = [[batch.step, [key.index for key in batch.keys]] for batch in stream]
            found = json.loads((tmp_path / f"rank-{rank}.json").read_text())
            assert (found["loader"], found["resumed"]) == (expected, expected[2:])
            assert "send this rank's batches to other processes: pass a loader to `prepare`" in found["dispatched"]
            if processes == 1:
                assert found["dispatch_batches=False"] == expected
            else:
                assert "leave out some of this rank's batches" in found["dispatch_batches=False"]
