"""A worker runs the server's own code, wherever the server was started."""

import asyncio
import sys
from pathlib import Path

import pytest

from service.workers.process import WorkerProcess
from service.workers.protocol import WorkerSetup


def test_a_worker_does_not_run_files_of_the_current_folder_that_are_named_like_the_code(
    setup: WorkerSetup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if folder])  # as started by a script
    for name in ("service.py", "sampler.py"):
        (tmp_path / name).write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)

    async def started() -> bool:
        worker = await WorkerProcess.start(setup)
        return await worker.end() == 0

    assert asyncio.run(started())
