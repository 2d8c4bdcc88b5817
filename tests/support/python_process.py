"""A Python process of its own, for what must be measured or limited alone."""

import subprocess
import sys

from tests.support.processes import unmeasured_environment


def run(code: str, *arguments: object) -> str:
    """What a Python process of its own prints."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=90, env=unmeasured_environment(), check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
