"""A worker runs the server's own code, wherever the server was started."""

import asyncio
import sys
from pathlib import Path

import pytest

from sampler.config.presets import preset
from sampler.dataset.dataset import open_dataset
from service.workers.process import WorkerProcess, WorkerSetup


def test_a_file_in_the_current_folder_named_like_the_code_is_not_what_a_worker_runs(
    scenes: tuple[Path, Path], cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    annotations, images = scenes
    setup = WorkerSetup(
        open_dataset(annotations, images, cache_dir).index_dir, images, preset("cornernet_saccade"), 1 << 24
    )
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if folder])  # as it is where no "" is in front
    for name in ("service.py", "sampler.py"):
        (tmp_path / name).write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)

    async def started() -> bool:
        worker = await WorkerProcess.start(setup)
        return await worker.end() == 0

    assert asyncio.run(started())
