"""Scenario: `examples/ray_train.py` where there is room for one of two workers, which is killed once.

    python -m tests.ray.train_worker URL FOLDER

Prints what the example printed about its steps, and its exit status.
"""

import json
import os
import re
import sys
from pathlib import Path

from tests.ray.cluster import cluster
from tests.ray.scenario import FOLDER, processes_of
from tests.support.paths import ROOT
from tests.support.processes import start_python

STEP = re.compile(r"(?:step \d+: loss [\d.]+|resumed at step \d+), workers: \d+|trained to step \d+, loss [\d.]+")
WORKER = "ray::RayTrainWorker"
STEPS, SAVE_EVERY, KILLED_AT = 400, 40, 160


def main(url: str, folder: Path) -> None:
    """Run the example, kill its worker, and print what the example printed."""
    lines: list[str] = []
    killed = False
    with cluster(1) as (running, _):
        process = start_python(
            ROOT / "examples" / "ray_train.py", url, "--steps", STEPS, "--save-every", SAVE_EVERY, "--workers", 1, 2,
            "--batch-size", 4, "--storage", folder, variables={"RAY_ADDRESS": running.address}, stderr=None,
        )  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            sys.stderr.write(line)
            found = STEP.search(line)
            if found is None or found[0] in lines:  # Ray prints a worker's line twice
                continue
            lines.append(found[0])
            if not killed and found[0].startswith(f"step {KILLED_AT}:"):
                kill_worker()
                killed = True
    print(json.dumps({"lines": lines, "status": process.wait()}))


def kill_worker() -> None:
    """Kill the process that trains."""
    running = processes_of(Path(os.environ[FOLDER]))
    [worker] = [process for process in running if " ".join(process.cmdline()).startswith(WORKER)]
    worker.kill()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
