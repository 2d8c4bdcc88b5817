"""Trainings that torchrun starts."""

import subprocess
from pathlib import Path

from tests.support.processes import run_python

SECONDS = 150
"""Time for a training of a few steps: several processes that import PyTorch share the CPUs with other tests."""


def torchrun(processes: int, script: Path, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run a script in `processes` processes on this machine, to the end of all of them."""
    options = ["--standalone", "--nproc-per-node", processes]
    return run_python("-m", "torch.distributed.run", *options, script, *arguments, coverage=False, timeout=SECONDS)
