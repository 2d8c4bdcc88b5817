"""`examples/cornernet_lite/` trains with the published losses, and they fall."""

import json
import re
from pathlib import Path

import pytest

from service.demo.dataset import ensure_demo
from tests.examples.catalogue import CORNERNET, QUIET, Run
from tests.support.live_server import live_server
from tests.support.paths import ROOT
from tests.support.processes import run

torch = pytest.importorskip("torch", reason="the torch extra is not installed: make test TORCH=1")

QUARTER = {
    "input_size": [127, 127],
    "output_sizes": [[32, 32]],
    "att_sizes": [[8, 8], [16, 16], [32, 32]],
    "att_ranges": [[64, 128], [32, 64], [0, 32]],
    "rand_scales": None,
    "gaussian_bump": True,
}
"""CornerNet-Saccade with a quarter of the pixels."""


def test_the_published_losses_fall_in_60_steps_on_8_images(tmp_path: Path, cache_dir: Path) -> None:
    demo = ensure_demo(cache_dir, count=8)
    config = tmp_path / "quarter.json"
    config.write_text(json.dumps({"system": {"sampling_function": "cornernet_saccade"}, "db": QUARTER}))
    settings = {"annotations": demo.annotations, "images": demo.images, "config": config, "cache_dir": cache_dir}
    with live_server(tmp_path, **settings, workers=1) as server:
        command = CORNERNET.command(Run(server.url, tmp_path, steps=60, batch_size=4))
        printed = run(*command, "--device", "cpu", cwd=ROOT, variables=QUIET).stdout
    lines = re.findall(r"^step (\d+): loss ([\d.]+) \((.*)\)$", printed, re.MULTILINE)
    assert [int(step) for step, _, _ in lines] == [1, 10, 20, 30, 40, 50, 60]
    assert [term.split()[0] for term in lines[0][2].split(", ")] == ["focal", "pull", "push", "offset", "attention"]
    losses = [float(loss) for _, loss, _ in lines]
    assert losses[-1] < losses[0] / 2


@pytest.mark.parametrize("count", [0, 3])
def test_losses_are_on_the_device_of_the_network_with_and_without_attention_maps(count: int) -> None:
    from examples.cornernet_lite.losses import Losses, Predictions, attention_loss

    maps, heats = torch.zeros(2, 1, 8, 8, device="meta"), torch.zeros(2, 3, 32, 32, device="meta")
    attention = attention_loss(Predictions(heats, heats, maps, maps, maps, maps, [maps] * count), [maps] * count)
    zero = heats.sum()
    assert Losses(zero, zero, zero, zero, attention).total.device.type == "meta"
