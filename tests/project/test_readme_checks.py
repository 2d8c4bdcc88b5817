"""What the README says of checking a GPU node holds, and how it reads: short lines, links that lead somewhere."""

import shlex
import sys
from pathlib import Path

from tests.project.test_readme import HOST, README, section, shell_lines
from tests.support.live_server import LiveServer
from tests.support.paths import ROOT
from tests.support.processes import run


def test_two_layouts_of_a_step_are_files_of_the_same_bytes(server: LiveServer, tmp_path: Path) -> None:
    commands = [*shell_lines("saccade-client"), *shell_lines("cmp")]
    assert [line.split()[0] for line in commands] == ["saccade-client", "saccade-client", "cmp"]
    for line in commands:
        here = line.replace(HOST, server.url).replace("saccade-client", f"{shlex.quote(sys.executable)} -m client", 1)
        done = run("/bin/sh", "-c", here, cwd=tmp_path, variables={"PYTHONPATH": ROOT})
    assert done.stdout == "the same\n"


def test_prose_keeps_to_lines_that_a_terminal_shows() -> None:
    prose = README.replace(section("benchmarks"), "")  # made by `make bench`, with the machine's name
    long = [line for line in prose.splitlines() if len(line) > 120 and not line.startswith(("|", "!["))]
    assert long == []


def test_every_part_that_the_readme_leads_to_is_there() -> None:
    heads = [line.lstrip("# ") for line in README.splitlines() if line.startswith("#")]
    anchors = {"".join(c for c in head.lower().replace(" ", "-") if c.isalnum() or c == "-") for head in heads}
    asked = {part.split(")")[0] for part in README.split("](#")[1:]}
    assert asked <= anchors, asked - anchors
    assert len(asked) >= 10
