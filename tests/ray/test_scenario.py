"""No process of a scenario is left, whatever its parent is."""

import sys

from tests.ray.scenario import FOLDER, processes_of, ray_folder
from tests.support.live_server import until
from tests.support.processes import start_python


def test_processes_that_a_program_leaves_behind_are_killed_and_the_folder_is_removed() -> None:
    orphan = [sys.executable, "-c", "while True: pass"]
    with ray_folder() as folder:
        code = f"import subprocess; subprocess.Popen({orphan!r}, start_new_session=True)"
        assert start_python("-c", code, variables={FOLDER: folder}).wait(30) == 0
        [left] = processes_of(folder)
        assert left.cmdline() == orphan
    until(lambda: not left.is_running() or left.status() == "zombie", seconds=10)
    assert not folder.exists()
