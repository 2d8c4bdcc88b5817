"""Running a scenario with Ray: a program in its own process, of which no process is left afterwards.

Ray starts some ten processes per node, and not all are children of the program. They inherit its environment, whose
folder for Ray's files tells them from all others.
"""

import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from tests.chaos.server import free_port
from tests.support.processes import NOTHING, run_python

FOLDER = "RAY_TMPDIR"
"""The variable that names the folder."""

SECONDS = 150.0


def run_scenario(
    module: str, *arguments: object, settings: Mapping[str, object] = NOTHING, variables: Mapping[str, object] = NOTHING
) -> Any:
    """Run a module that uses Ray; return the JSON document in the last line that it prints.

    settings, variables: see `tests.support.processes.environment`.
    """
    with ray_folder() as folder:
        done = run_python(
            "-m", module, *arguments, settings=settings, variables=ray_variables(folder) | dict(variables),
            coverage=False, timeout=SECONDS,
        )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def ray_folder() -> Iterator[Path]:
    """Give a folder for Ray's files. At the end, kill all processes that use it, and remove it."""
    folder = Path(tempfile.mkdtemp(prefix="ray-"))  # short: Ray makes Unix sockets in it
    try:
        yield folder
    finally:
        left = processes_of(folder)
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=10)
        shutil.rmtree(folder, ignore_errors=True)


def ray_variables(folder: Path) -> dict[str, object]:
    """Return the variables for a program that starts Ray: nothing is sent anywhere, and no file is outside a folder.

    Replicas that are stopped drain for a second instead of 30.
    """
    return {
        FOLDER: folder,
        "RAY_USAGE_STATS_ENABLED": 0,
        "RAY_DEDUP_LOGS": 0,
        "RAY_AUTH_MODE": "token",  # a cluster runs any code that it is sent
        "RAY_AUTH_TOKEN": secrets.token_hex(16),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": folder / "haproxy.cfg",
        "RAY_SERVE_HAPROXY_SOCKET_PATH": folder / "admin",
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": folder,
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": folder / "state",
        "RAY_SERVE_HAPROXY_METRICS_PORT": free_port(),
        "RAY_SERVE_HAPROXY_STATS_PORT": free_port(),
        "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": 2,
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": 1,
    }


def processes_of(folder: Path) -> list[psutil.Process]:
    """Return the processes whose environment names a folder for Ray's files, without this one."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.pid != os.getpid() and process.environ().get(FOLDER) == str(folder):
                found.append(process)
    return found
