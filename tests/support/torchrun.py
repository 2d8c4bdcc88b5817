"""Trainings that torchrun starts."""

import subprocess
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.processes import run_python

SECONDS = 150
"""Time for a training of a few steps: several processes that import PyTorch share the CPUs with other tests."""


def torchrun(processes: int, script: Path, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run a script in `processes` processes on this machine, to the end of all of them."""
    options = ["--standalone", "--nproc-per-node", processes]
    command = ["-m", "torch.distributed.run", *options, script, *arguments]
    # A script is started by its path, so the folder of `tests` is not on Python's path by itself.
    return run_python(*command, variables={"PYTHONPATH": ROOT}, coverage=False, timeout=SECONDS)
