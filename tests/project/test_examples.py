"""The scripts in `examples/` run."""

import importlib.util
import re
from pathlib import Path

import pytest

from tests.support.coco_files import write_dataset
from tests.support.live_server import live_server
from tests.support.paths import ROOT
from tests.support.processes import run_python
from tests.support.scenes import scenes


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
def test_one_script_trains_and_validates_with_one_server(tmp_path: Path) -> None:
    content = scenes()
    few = {**content, "images": content["images"][:5]}
    listed = {image["id"] for image in few["images"]}
    few["annotations"] = [one for one in content["annotations"] if one["image_id"] in listed]
    lines = ["workers = 2"]
    for name, part in (("train", content), ("val", few)):
        annotations, images = write_dataset(tmp_path / name, part)
        lines += [f"[datasets.{name}]", f"annotations = '{annotations}'", f"images = '{images}'"]
    settings = tmp_path / "settings.toml"
    settings.write_text("\n".join(lines))
    with live_server(tmp_path, settings=settings, cache_dir=tmp_path / "cache") as server:
        script = ROOT / "examples" / "train_and_validate.py"
        arguments = ["--steps", 12, "--validate-every", 4, "--batch-size", 6]
        printed = run_python(script, server.url, *arguments).stdout.splitlines()
    line = re.compile(r"step (\d+): loss [\d.]+, validation loss ([\d.]+), \d of 5 images with a correct category")
    steps = [line.fullmatch(one) for one in printed]
    assert [found and found[1] for found in steps] == ["4", "8", "12"]
    losses = [float(found[2]) for found in steps if found]
    assert losses[-1] < losses[0]
