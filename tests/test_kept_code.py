"""Compiled code never outlives the sources it was compiled from."""

import os
import subprocess
import sys
from pathlib import Path

from sampler.kept_code import SOURCES
from tests.live_server import ROOT


def test_code_of_other_sources_is_compiled_anew(tmp_path: Path) -> None:
    def kept() -> dict[str, int]:
        code = "from sampler.compiled_kernels import warm_up; warm_up()"
        environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)
        return {file.name: file.stat().st_mtime_ns for file in tmp_path.rglob("*.nbi")}

    first = kept()
    assert len(first) > 5
    assert kept() == first
    (note,) = tmp_path.rglob(SOURCES)
    note.write_text("other sources")
    renewed = kept()
    assert renewed.keys() == first.keys()
    assert all(renewed[name] > first[name] for name in first)
    assert kept() == renewed
